import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire
import NIOCore

/// Reads a submission from a request: a form, JSON, or the bytes of one file.
struct SubmissionReader: Sendable {
    let endpoint: EndpointConfiguration
    let tenant: String
    let intake: BlobIntake
    let pending: PendingBlobs
    let jsonBytesMax: Int

    /// What a form needs beside its files: boundaries, headers, fields.
    static let formBytesMax: Int64 = 4 << 20

    func read(_ request: Request) async throws -> Submission {
        try checkLength(of: request)
        let declared = request.headers[.contentType].flatMap { ContentType($0) }
        switch declared?.essence {
        case "multipart/form-data": return try await readForm(request, boundary: declared?.parameters["boundary"]).checked(for: endpoint.manifest)
        case "application/json": return try await readJSON(request).checked(for: endpoint.manifest)
        case let type? where type.hasPrefix("multipart/"):
            throw MillraceError(.unsupportedMediaType, "forms are sent as multipart/form-data, not as \(type)")
        default: return try await readFile(request, declared: declared?.essence).checked(for: endpoint.manifest)
        }
    }

    /// Refuses what says itself that it is too large, before a byte of it is read.
    private func checkLength(of request: Request) throws {
        guard let length = request.headers[.contentLength].flatMap({ Int64($0) }) else { return }
        guard length <= endpoint.limits.bytesMax + Self.formBytesMax else { throw FileIntake.tooLarge(endpoint) }
    }

    // MARK: JSON

    private func readJSON(_ request: Request) async throws -> Submission {
        try QueryItems(request).allow()
        let body = try await request.buffer(atMost: jsonBytesMax)
        let document = try JobDocument(reading: body.readableBytesView, in: .alone)
        if document.input != nil { try checkInlineAccepted() }
        return try await submission(document)
    }

    /// What a document asks for.
    func submission(_ document: JobDocument) async throws -> Submission {
        var submission = Submission(input: document.input)
        guard let rest = document.rest else { return submission }
        try submission.take(rest)
        for id in rest.uploads ?? [] { submission.files.append(try await upload(id)) }
        try checkAmount(of: submission.files)
        return submission
    }

    func checkAmount(of files: [JobFile]) throws {
        guard files.count <= endpoint.limits.filesMax else {
            throw MillraceError(.tooManyFiles, "\"\(endpoint.name)\" takes up to \(endpoint.limits.filesMax) files in one request")
        }
        guard files.reduce(0, { $0 + $1.bytes }) <= endpoint.limits.bytesMax else { throw FileIntake.tooLarge(endpoint) }
    }

    func checkInlineAccepted() throws {
        let accepted = endpoint.manifest.accepts
        guard accepted.isEmpty || accepted.contains(where: { ContentType.pattern($0, covers: "application/json") }) else {
            throw MillraceError(
                .unsupportedMediaType, "\"\(endpoint.name)\" takes no JSON input; it accepts \(accepted.joined(separator: ", "))",
                hint: "send a file: curl -F file=@... ")
        }
    }

    func upload(_ id: BlobID) async throws -> JobFile {
        guard let record = try await queue.blob(id), record.tenant == tenant, record.state == .stored, record.writer == nil else {
            throw MillraceError(.blobUnknown, "there is no upload \(id)", hint: "POST /v1/uploads makes one; unused ones are removed after a while")
        }
        let inspection = InputInspection(endpoint: endpoint, blobs: intake.blobs)
        let file = JobFile(
            name: "file", filename: record.filename, blob: id, mediaType: try inspection.mediaType(sniffed: record.mediaType),
            bytes: record.bytes, sha256: record.sha256)
        try await inspection.check(stored: file)
        return file
    }

    private var queue: JobQueue { intake.queue }

    // MARK: The bytes of one file

    private func readFile(_ request: Request, declared: String?) async throws -> Submission {
        let query = try QueryItems(request)
        var submission = Submission()
        for (name, value) in query.values.sorted(by: { $0.key < $1.key }) where name != "filename" {
            try submission.take(field: name, value)
        }
        let disposition = request.headers[.contentDisposition].map { HeaderParameters.split($0).parameters } ?? [:]
        let filename = PartHeader.filename(in: disposition) ?? query["filename"].map(PartHeader.displayable)
        var files = FileIntake(endpoint: endpoint, tenant: tenant, intake: intake, pending: pending)
        files.headerLength = try Self.inferenceHeaderLength(request)
        var body = request.body.makeAsyncIterator()
        guard let first = try await Self.nextPiece(&body) else { return submission }
        try Self.refuseForm(declared, first: first)
        var unread: [UInt8]? = first
        try await files.take(name: "file", filename: filename) {
            if let piece = unread {
                unread = nil
                return piece
            }
            return try await Self.nextPiece(&body)
        }
        submission.files = files.files
        return submission
    }

    /// How many bytes of the body are JSON, tensors being behind them (Open Inference Protocol, binary tensor data extension).
    private static func inferenceHeaderLength(_ request: Request) throws -> Int64? {
        guard let text = request.headers[.inferenceHeaderContentLength] else { return nil }
        guard let length = Int64(text), length >= 0 else {
            throw MillraceError(.malformedRequest, "the header Inference-Header-Content-Length must be a number of bytes")
        }
        return length
    }

    /// `curl -d` and `--data-binary` declare a web form when they are not told otherwise. A picture is taken all the same; text
    /// may well be a form, which is not a file.
    private static func refuseForm(_ declared: String?, first: [UInt8]) throws {
        guard declared == "application/x-www-form-urlencoded" else { return }
        let sniffed = MediaSniffer.sniff(first, whole: false)
        guard sniffed.hasPrefix("text/") || sniffed == "application/json" else { return }
        throw MillraceError(
            .unsupportedMediaType, "web forms (application/x-www-form-urlencoded) are not read",
            hint: "send a file with curl -F file=@..., JSON with -H 'Content-Type: application/json', text with -H 'Content-Type: text/plain'")
    }

    static func nextPiece(_ body: inout RequestBody.AsyncIterator) async throws -> [UInt8]? {
        while let buffer = try await body.next() {
            if buffer.readableBytes > 0 { return Array(buffer.readableBytesView) }
        }
        return nil
    }
}

extension Submission {
    /// Takes what a JSON request asks for, but its input and its uploads.
    fileprivate mutating func take(_ body: SubmitRequest) throws {
        parameters = body.parameters ?? [:]
        priority = body.priority
        callback = body.callback
        timeToLive = try body.timeToLiveSeconds.map { try Submission.timeToLive(seconds: $0) }
        deadline = try body.deadlineSeconds.map { try Submission.duration($0, "deadlineSeconds") }
        if let time = body.runAt { try putOff(.at(time)) }
        if let seconds = body.delaySeconds { try putOff(.after(try Submission.duration(seconds, "delaySeconds"))) }
    }

    /// Takes a plain field of a form or a query: a reserved word, or else a parameter.
    ///
    /// A parameter that is named like a reserved word can be given in `parameters` alone.
    mutating func take(field name: String, _ text: String) throws {
        switch name {
        case "priority":
            guard priority == nil, let number = Int(text) else { throw Self.refused(name, "a number from 0 to 9, given once") }
            priority = number
        case "timeToLiveSeconds":
            guard timeToLive == nil, let seconds = Double(text) else { throw Self.refused(name, "a number, given once") }
            timeToLive = try Self.timeToLive(seconds: seconds)
        case "deadlineSeconds":
            guard deadline == nil, let seconds = Double(text) else { throw Self.refused(name, "a number, given once") }
            deadline = try Self.duration(seconds, name)
        case "runAt":
            guard let time = Timestamp(text) else { throw Self.refused(name, Timestamp.howWritten) }
            try putOff(.at(time))
        case "delaySeconds":
            guard let seconds = Double(text) else { throw Self.refused(name, "a number") }
            try putOff(.after(try Self.duration(seconds, name)))
        case "callback":
            guard callback == nil else { throw Self.refused(name, "given once") }
            callback = text
        default:
            try add(parameter: name, .string(text))
        }
    }

    private static func refused(_ name: String, _ what: String) -> MillraceError {
        MillraceError(.invalidParameter, "\"\(name)\" must be \(what)")
    }
}
