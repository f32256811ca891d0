import Foundation
import Hummingbird
import MillraceCore

extension SubmissionReader {
    /// Reads a form: its files are streamed to the blob store, its fields are parameters and reserved words.
    func readForm(_ request: Request, boundary: String?) async throws -> Submission {
        try QueryItems(request).allow()
        guard let boundary else {
            throw MultipartParser.malformed(
                "the Content-Type has no boundary", hint: "let the client library set Content-Type for forms")
        }
        var form = FormStream(body: request.body, parser: try MultipartParser(boundary: boundary))
        var files = FileIntake(endpoint: endpoint, tenant: tenant, intake: intake, pending: pending)
        var submission = Submission()
        while let part = try await form.nextPart() {
            // A field may be given as a file (curl -F parameters=@p.json); an input that is a file is a file.
            if let filename = part.filename, part.name != "parameters" {
                // A browser sends an empty file input as a part without name and bytes: nothing was chosen.
                if filename.isEmpty, try await form.isAtEndOfPart() { continue }
                try await files.take(name: part.name, filename: filename.isEmpty ? nil : filename) { try await form.nextBytes() }
            } else {
                try take(part.name, try await form.text(of: part.name, bytesMax: jsonBytesMax), into: &submission)
            }
        }
        submission.files = files.files
        return submission
    }

    private func take(_ name: String, _ text: String, into submission: inout Submission) throws {
        switch name {
        case "parameters":
            try JSONDepth.check(Data(text.utf8))
            guard let object = try? MillraceJSON.decode([String: JSONValue].self, from: text) else {
                throw MillraceError(.malformedRequest, "the field \"parameters\" must be a JSON object")
            }
            for (name, value) in object.sorted(by: { $0.key < $1.key }) { try submission.add(parameter: name, value) }
        case "input":
            try JSONDepth.check(Data(text.utf8))
            guard submission.input == nil, let input = try? MillraceJSON.decode(JSONValue.self, from: text) else {
                throw MillraceError(
                    .malformedRequest, "the field \"input\" must be JSON, given once",
                    hint: "put a text into quotes: -F 'input=\"...\"'; a file is sent with -F file=@...")
            }
            try checkInlineAccepted()
            submission.input = RawJSON(input)
        default:
            try submission.take(field: name, text)
        }
    }
}

/// A form as a sequence of parts, each with its bytes. Reads from the network only what is asked for.
struct FormStream {
    private var body: RequestBody.AsyncIterator
    private var parser: MultipartParser
    private var lookahead: MultipartParser.Action?
    private var formBytes: Int64 = 0

    init(body: RequestBody, parser: MultipartParser) {
        self.body = body.makeAsyncIterator()
        self.parser = parser
    }

    /// The next part, when all bytes of the last have been read; `nil` at the end of the form.
    mutating func nextPart() async throws -> PartHeader? {
        while true {
            switch try await nextAction() {
            case .beginPart(let header): return header
            case .end: return nil
            case .bytes, .endPart, .needsBytes: continue
            }
        }
    }

    /// The next bytes of the part; `nil` at its end.
    mutating func nextBytes() async throws -> [UInt8]? {
        if case .bytes(let bytes) = try await nextAction() { bytes } else { nil }
    }

    /// Whether the part has no (more) bytes.
    mutating func isAtEndOfPart() async throws -> Bool {
        lookahead = try await nextAction()
        return lookahead == .endPart
    }

    /// A part that is a field, as text.
    mutating func text(of name: String, bytesMax: Int) async throws -> String {
        var bytes: [UInt8] = []
        while let more = try await nextBytes() {
            bytes += more
            guard bytes.count <= bytesMax else {
                throw MillraceError(.tooLarge, "the field \"\(name)\" is larger than \(bytesMax) bytes", hint: "send it as a file")
            }
        }
        formBytes += Int64(bytes.count)
        guard formBytes <= SubmissionReader.formBytesMax else {
            throw MillraceError(.tooLarge, "the fields of the form are larger than \(SubmissionReader.formBytesMax) bytes together")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw MillraceError(.malformedRequest, "the field \"\(name)\" is not UTF-8", hint: "a file needs a file name: -F \(name)=@...")
        }
        return text
    }

    private mutating func nextAction() async throws -> MultipartParser.Action {
        if let action = lookahead {
            lookahead = nil
            return action
        }
        while true {
            let action = try parser.next()
            guard action == .needsBytes else { return action }
            guard let buffer = try await body.next() else {
                try parser.finish()
                return .end
            }
            parser.append(buffer.readableBytesView)
        }
    }
}
