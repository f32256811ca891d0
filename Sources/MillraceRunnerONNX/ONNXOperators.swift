import Foundation

/// What an `.onnx` file says of its operators, read without loading it: a walk over the protobuf's nodes that passes the weights by.
///
/// Source: `onnx.proto` of the ONNX specification, whose field numbers these are.
enum ONNXOperators {
    /// How the names of operators begin that choose the scale of a quantised tensor while the model runs, by the range of all values
    /// in the call, or compute with such tensors: `DynamicQuantizeLinear`, `DynamicQuantizeMatMul`, `MatMulIntegerToFloat` and so on.
    private static let marks = ["DynamicQuantize", "MatMulInteger", "ConvInteger"]
    /// Graphs inside of nodes (`If`, `Loop`) are followed so deep.
    private static let depthMax = 64

    private enum Message { case model, graph, function, node, attribute }

    /// Whether there are such operators; false for what is no `.onnx` file.
    static func quantizeAtRunTime(inFileAt path: String) -> Bool {
        guard let data = try? Data(contentsOf: URL(filePath: path), options: .alwaysMapped) else { return false }
        return data.withUnsafeBytes { holdsMark(.model, $0, depth: 0) }
    }

    private static func holdsMark(_ message: Message, _ bytes: UnsafeRawBufferPointer, depth: Int) -> Bool {
        guard depth < depthMax else { return false }
        return fields(of: bytes) { field, content in
            switch (message, field) {
            case (.model, 7), (.attribute, 6), (.attribute, 11): holdsMark(.graph, content, depth: depth + 1)
            case (.model, 25): holdsMark(.function, content, depth: depth + 1)
            case (.graph, 1), (.function, 7): holdsMark(.node, content, depth: depth + 1)
            case (.node, 5): holdsMark(.attribute, content, depth: depth + 1)
            case (.node, 4): marks.contains(where: String(decoding: content, as: UTF8.self).hasPrefix)
            default: false
            }
        }
    }

    /// Whether `isFound` holds for one of the message's fields that have a length. Stops at the first, or where the message is damaged.
    private static func fields(of message: UnsafeRawBufferPointer, _ isFound: (_ field: UInt64, _ content: UnsafeRawBufferPointer) -> Bool) -> Bool {
        var position = 0
        while position < message.count, let tag = varint(message, &position) {
            switch tag & 7 {
            case 0: if varint(message, &position) == nil { return false }
            case 1: position += 8
            case 5: position += 4
            case 2:
                guard let length = varint(message, &position), length <= UInt64(message.count - position) else { return false }
                let content = UnsafeRawBufferPointer(rebasing: message[position..<position + Int(length)])
                if isFound(tag >> 3, content) { return true }
                position += Int(length)
            default: return false
            }
        }
        return false
    }

    private static func varint(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard position < bytes.count else { return nil }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
