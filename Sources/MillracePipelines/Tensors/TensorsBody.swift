import Foundation
import MillraceCore
import MillraceInference
import MillraceText

/// A file for a ``TensorsPipeline``: JSON, and behind it the bytes of tensors that the JSON describes.
///
/// Source: the binary tensor data extension of the Open Inference Protocol,
/// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
struct TensorsBody {
    /// The parameter of a media type that says how many bytes of the content are JSON. It is named like the header that carries it
    /// over HTTP.
    static let headerLength = "inference-header-content-length"

    var json: JSONValue
    /// In the order of the tensors, little-endian, as all machines are on which this runs.
    var tail: Data

    /// - Throws: `invalid_input`, `text_encoding`, `input_unavailable`.
    init(_ file: HandlerRequest.File) throws(JobFailure) {
        guard let content = try? Data(contentsOf: URL(filePath: file.path), options: .mappedIfSafe) else {
            throw JobFailure(.inputUnavailable, "the input file cannot be read", retryable: true)
        }
        let declared = ContentType(file.mediaType)?.parameters[Self.headerLength].flatMap { Int($0) }
        if let declared, !(0...content.count).contains(declared) {
            throw JobFailure(.invalidInput, "the file has \(content.count) bytes, of which \(declared) should be JSON")
        }
        let end = declared ?? content.withUnsafeBytes { Self.endOfObject(in: $0) } ?? content.count
        tail = content.dropFirst(end)
        let json: JSONValue? =
            if tail.isEmpty {
                try? MillraceJSON.decode(JSONValue.self, from: try TextFile.read(path: file.path))
            } else {
                try? MillraceJSON.decode(JSONValue.self, from: Data(content.prefix(end)))
            }
        guard let json else {
            throw JobFailure(
                .invalidInput, tail.isEmpty ? "the file is not valid JSON" : "the file's first \(end) bytes are not valid JSON",
                hint: TensorsRequest.hint)
        }
        self.json = json
    }

    /// Where the object ends with which the bytes begin, with the white space behind it if nothing else follows; `nil` when they begin
    /// with none, or it does not end.
    static func endOfObject(in bytes: UnsafeRawBufferPointer) -> Int? {
        let spaces: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        guard let start = bytes.firstIndex(where: { !spaces.contains($0) }), bytes[start] == UInt8(ascii: "{") else { return nil }
        var nesting = JSONNesting()
        for index in start..<bytes.count where nesting.take(bytes[index]) && nesting.depth == 0 {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[(index + 1)...])
            return rest.allSatisfy(spaces.contains) ? bytes.count : index + 1
        }
        return nil
    }
}

extension PipelineOutput {
    /// `result.bin`: JSON and the bytes of tensors behind it.
    static func binary(_ header: JSONValue, _ tail: [UInt8]) throws -> PipelineOutput {
        let json = Array(try MillraceJSON.encode(header))
        return PipelineOutput(
            name: "result.bin", mediaType: "\(ContentType.unknown); \(TensorsBody.headerLength)=\(json.count)", content: .bytes(json + tail))
    }
}
