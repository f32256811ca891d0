import Foundation
import HTTPTypes
import Hummingbird
import MillraceCore
import NIOCore
import NIOFoundationCompat

extension Response {
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) throws -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: .init(byteBuffer: try .line(of: value)))
    }
}

extension ByteBuffer {
    /// JSON with the end of line that a terminal wants.
    static func line(of value: some Encodable) throws -> ByteBuffer {
        var bytes = try MillraceJSON.bytes(of: value)
        bytes.append(UInt8(ascii: "\n"))
        return ByteBuffer(bytes: bytes)
    }
}

extension Request {
    /// The body as JSON of a known shape.
    func json<Value: Decodable>(_ type: Value.Type = Value.self, bytesMax: Int) async throws -> Value {
        try Self.json(try await bytes(atMost: bytesMax), as: type)
    }

    /// - Parameter fields: the names that an object may have at its top; any other is an error with the nearest known name.
    static func json<Value: Decodable>(_ data: Data, as type: Value.Type = Value.self, fields: [String]? = nil) throws -> Value {
        try JSONDepth.check(data)
        if let fields { try checkFields(of: data, known: fields) }
        return try MillraceJSON.decode(type, from: data)
    }

    /// A message of a worker. How deep it may be nested its reader knows.
    func message<Value: FastJSON>(_ type: Value.Type = Value.self, bytesMax: Int) async throws -> Value {
        try MillraceJSON.fastDecode(type, from: try await buffer(atMost: bytesMax).readableBytesView)
    }

    /// The whole body.
    func bytes(atMost limit: Int) async throws -> Data {
        Data(buffer: try await buffer(atMost: limit))
    }

    func buffer(atMost limit: Int) async throws -> ByteBuffer {
        let tooLarge = MillraceError(.tooLarge, "the body is larger than \(limit) bytes", hint: "send big inputs as files")
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > limit { throw tooLarge }
        do {
            return try await body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        }
    }

    private static func checkFields(of data: Data, known: [String]) throws {
        var names: Set<String> = []
        let isObject: Void? = try? JSONReader.read(data) { reader in
            try reader.object { name, reader in
                names.insert(name.text)
                try reader.skip()
            }
        }
        // What is no object, or no JSON at all, is told by the decoder.
        guard isObject != nil else { return }
        if let name = names.subtracting(known).min() { throw MillraceError.unknownField(name, known: known) }
    }
}

extension MillraceError {
    static func unknownField(_ name: String, known: [String]) -> MillraceError {
        MillraceError(
            .malformedRequest, "unknown field \"\(name)\"",
            hint: Spelling.nearest(to: name, in: known).map { "did you mean \"\($0)\"?" } ?? "known fields: \(known.joined(separator: ", "))")
    }
}
