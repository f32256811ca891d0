import MillraceCore
import MillraceWire

/// A job as it was sent in JSON: the body of a submit, or one item of a bulk submit. Its input stays the text that it is.
struct JobDocument: Sendable {
    /// Where it stands.
    enum Place {
        case alone
        case bulk

        var fields: [String] { self == .alone ? JobDocument.fields : JobDocument.fields + ["idempotencyKey"] }
    }

    var input: RawJSON?
    /// All but the input; `nil` when nothing else was given, as in most jobs.
    var rest: SubmitRequest?
    /// In bulk only: a job that comes alone has it in a header.
    var idempotencyKey: String?

    private static let inputBytesMax = 1 << 20
    private static let fields = [
        "input", "uploads", "parameters", "priority", "callback", "timeToLiveSeconds", "runAt", "delaySeconds", "deadlineSeconds",
    ]

    /// - Throws: `malformed_request` for what is nested too deeply or has an unknown field, `too_large` for the input, else
    ///   `DecodingError` with the field.
    init(reading bytes: some Sequence<UInt8>, in place: Place) throws {
        try JSONDepth.check(bytes)
        do {
            self = try JSONReader.read(bytes) { try JobDocument(&$0, in: place) }
        } catch let error as DecodingError {
            // The slow way says better what a field must be.
            _ = try MillraceJSON.decode(SubmitRequest.self, bytes: bytes)
            throw error
        }
    }

    private init(_ reader: inout JSONReader, in place: Place) throws {
        var unknown: [String] = []
        try reader.object { key, reader in
            do {
                switch key {
                case "input": input = try reader.null() ? nil : RawJSON(trusting: try Self.input(&reader))
                case "idempotencyKey" where place == .bulk: idempotencyKey = try reader.optional()
                default:
                    var rest = rest ?? SubmitRequest()
                    if try !rest.read(key, &reader) {
                        unknown.append(key.text)
                        try reader.skip()
                    }
                    self.rest = rest
                }
            } catch let error as DecodingError {
                throw error.placed(inField: key.text)
            }
        }
        if let name = unknown.min() { throw MillraceError.unknownField(name, known: place.fields) }
    }

    private static func input(_ reader: inout JSONReader) throws -> String {
        let text = try reader.rawText()
        guard text.utf8.count <= inputBytesMax else {
            throw MillraceError(
                .tooLarge, "the input has \(text.utf8.count) bytes of JSON; up to \(inputBytesMax) are taken with a job",
                hint: "send big inputs as files")
        }
        return text
    }
}

extension SubmitRequest {
    /// Reads the value of a field other than the input.
    /// - Returns: `false` when there is no such field; its value has not been read then.
    fileprivate mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws -> Bool {
        switch key {
        case "uploads": uploads = try reader.null() ? nil : try reader.values()
        case "parameters": parameters = try reader.null() ? nil : try Self.parameters(&reader)
        case "priority": priority = try reader.null() ? nil : try reader.integer()
        case "callback": callback = try reader.optional()
        case "timeToLiveSeconds": timeToLiveSeconds = try reader.optional()
        case "runAt": runAt = try reader.optional()
        case "delaySeconds": delaySeconds = try reader.optional()
        case "deadlineSeconds": deadlineSeconds = try reader.optional()
        default: return false
        }
        return true
    }

    private static func parameters(_ reader: inout JSONReader) throws -> [String: JSONValue] {
        var parameters: [String: JSONValue] = [:]
        try reader.object { parameters[$0.text] = try $1.value() }
        return parameters
    }
}

extension DecodingError {
    private struct Field: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// A fault of bytes, with the field that they stand in.
    fileprivate func placed(inField name: String) -> DecodingError {
        guard case .dataCorrupted(let context) = self, context.codingPath.isEmpty else { return self }
        return .dataCorrupted(.init(codingPath: [Field(stringValue: name)], debugDescription: context.debugDescription))
    }
}
