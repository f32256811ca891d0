import HTTPTypes
import Hummingbird
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceWire

/// `/v1/uploads`: files that are brought first and used by jobs later.
struct UploadRoutes: Sendable {
    let intake: BlobIntake
    let bytesMax: Int64

    func add(to doors: inout Doors) {
        doors.post("/v1/uploads") { try await upload($0, $1) }
        doors.get("/v1/uploads/:upload") { try await show($0, $1) }
    }

    private func upload(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let query = try QueryItems(request)
        if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length > bytesMax + SubmissionReader.formBytesMax {
            throw tooLarge
        }
        let declared = request.headers[.contentType].flatMap { ContentType($0) }
        let resource: UploadResource
        if declared?.essence == "multipart/form-data" {
            try query.allow()
            resource = try await takeForm(request, boundary: declared?.parameters["boundary"], context)
        } else {
            try query.allow(only: "filename")
            let disposition = request.headers[.contentDisposition].map { HeaderParameters.split($0).parameters } ?? [:]
            var body = request.body.makeAsyncIterator()
            let filename = PartHeader.filename(in: disposition) ?? query["filename"].map(PartHeader.displayable)
            resource = try await take(filename, context) { try await SubmissionReader.nextPiece(&body) }
        }
        return try .json(resource, status: .created, headers: [.location: "/v1/uploads/\(resource.id)"])
    }

    private func takeForm(_ request: Request, boundary: String?, _ context: GatewayContext) async throws -> UploadResource {
        guard let boundary else { throw MultipartParser.malformed("the Content-Type has no boundary") }
        var form = FormStream(body: request.body, parser: try MultipartParser(boundary: boundary))
        guard let part = try await form.nextPart(), let filename = part.filename else {
            throw MillraceError(.missingInput, "the form's first part is no file", hint: "curl -F file=@...")
        }
        return try await take(filename.isEmpty ? nil : filename, context) {
            if let bytes = try await form.nextBytes() { return bytes }
            // The form is read to its end before the file is taken.
            guard try await form.nextPart() == nil else {
                throw MillraceError(.tooManyFiles, "an upload is one file", hint: "send each file in an upload of its own")
            }
            return nil
        }
    }

    private func take(
        _ filename: String?, _ context: GatewayContext, from next: () async throws -> [UInt8]?
    ) async throws -> UploadResource {
        var blob = try await intake.beginUpload(tenant: context.principal.tenant, filename: filename)
        do {
            while let piece = try await next() {
                guard blob.bytes + Int64(piece.count) <= bytesMax else { throw tooLarge }
                try await blob.append(piece)
            }
            guard blob.bytes > 0 else { throw InputInspection.empty(filename ?? "upload") }
            let digest = try await blob.finish()
            let mediaType = MediaSniffer.sniff(blob.prefix, whole: digest.bytes <= Int64(MediaSniffer.prefixBytes))
            let record = blob.record
            try await intake.queue.seal(record.id, bytes: digest.bytes, sha256: digest.sha256, mediaType: mediaType)
            return UploadResource(
                id: record.id, filename: filename, mediaType: mediaType, bytes: digest.bytes, sha256: digest.sha256,
                createdAt: record.createdAt)
        } catch {
            await intake.discard(blob)
            throw error
        }
    }

    private var tooLarge: MillraceError {
        MillraceError(.tooLarge, "the upload is larger than the \(ByteCount.inWords(bytesMax)) that are allowed")
    }

    private func show(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let text = try context.parameters.require("upload")
        guard let id = BlobID(text), let record = try await intake.queue.blob(id), record.tenant == context.principal.tenant,
            record.state == .stored, record.writer == nil
        else { throw MillraceError(.blobUnknown, "there is no upload \(text.prefix(64))") }
        return try .json(
            UploadResource(
                id: id, filename: record.filename, mediaType: record.mediaType, bytes: record.bytes, sha256: record.sha256,
                createdAt: record.createdAt))
    }
}
