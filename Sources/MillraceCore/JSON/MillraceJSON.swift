import Foundation

/// The one way this project writes and reads JSON: sorted keys, no escaped slashes.
///
/// What is ``FastJSON`` takes the fast way by itself.
public enum MillraceJSON {
    public static func encode(_ value: some Encodable, pretty: Bool = false) throws -> Data {
        if !pretty, let value = value as? any FastJSON { return Data(try fastEncode(value)) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    public static func string(_ value: some Encodable, pretty: Bool = false) throws -> String {
        if !pretty, let value = value as? any FastJSON { return String(decoding: try fastEncode(value), as: UTF8.self) }
        return String(decoding: try encode(value, pretty: pretty), as: UTF8.self)
    }

    public static func decode<Value: Decodable>(_ type: Value.Type = Value.self, from data: Data) throws -> Value {
        try decode(type, bytes: data)
    }

    public static func decode<Value: Decodable>(_ type: Value.Type = Value.self, from text: String) throws -> Value {
        try decode(type, bytes: text.utf8)
    }

    // MARK: Bytes without a copy

    public static func bytes(of value: some Encodable) throws -> [UInt8] {
        if let value = value as? any FastJSON { return try fastEncode(value) }
        return Array(try encode(value))
    }

    public static func decode<Value: Decodable>(_ type: Value.Type = Value.self, bytes: some Sequence<UInt8>) throws -> Value {
        if let fast = type as? any FastJSON.Type { return try fastDecode(fast, from: bytes) as! Value }
        return try JSONNodeDecoder(JSONNode(parsing: bytes)).decode(type)
    }

    // MARK: The fast way

    /// - Throws: `EncodingError` for a number that is not finite.
    public static func fastEncode(_ value: some FastJSON, capacity: Int = 256) throws -> [UInt8] {
        var writer = JSONWriter(capacity: capacity)
        value.write(to: &writer)
        guard writer.isValid else {
            throw EncodingError.invalidValue(value, .init(codingPath: [], debugDescription: "a number in it is not finite"))
        }
        return writer.bytes
    }

    /// - Throws: `DecodingError` with the path to the fault.
    public static func fastDecode<Value: FastJSON>(_ type: Value.Type = Value.self, from bytes: some Sequence<UInt8>) throws -> Value {
        do {
            return try JSONReader.read(bytes) { try Value(&$0) }
        } catch is DecodingError {
            // The slow way knows where in the message it is.
            return try JSONNodeDecoder(JSONNode(parsing: bytes)).decode(type)
        }
    }

    /// A value's text; numbers that JSON has no form for become null.
    static func text(of value: JSONValue) -> String {
        var writer = JSONWriter()
        value.write(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
