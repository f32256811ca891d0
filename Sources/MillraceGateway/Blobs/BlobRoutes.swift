import HTTPTypes
import Hummingbird
import MillraceCloud
import MillraceCore
import MillraceQueue

/// `GET` and `PUT /v1/blobs/{id}` with a signed address: how workers elsewhere read inputs and write outputs of a directory store.
struct BlobRoutes: Sendable {
    let intake: BlobIntake
    let signer: BlobURLSigner
    let answer: BlobAnswer
    let bytesMax: Int64

    func add(to doors: inout Doors) {
        doors.get("/v1/blobs/:blob", .open) { try await give($0, $1) }
        doors.put("/v1/blobs/:blob", .open) { try await take($0, $1) }
    }

    private func blob(_ request: Request, _ context: GatewayContext) throws -> (id: BlobID, query: QueryItems) {
        let query = try QueryItems(request)
        try query.allow(only: "expires", "signature")
        let text = try context.parameters.require("blob")
        guard let id = BlobID(text) else { throw MillraceError(.blobUnknown, "there is no blob \(text.prefix(64))") }
        return (id, query)
    }

    private func give(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let (id, query) = try blob(request, context)
        try signer.check(.read, to: id, expires: query["expires"], signature: query["signature"])
        guard let record = try await intake.queue.blob(id), record.state == .stored else {
            throw MillraceError(.blobUnknown, "there is no blob \(id)")
        }
        let file = JobFile(name: "blob", blob: id, mediaType: record.mediaType, bytes: record.bytes, sha256: record.sha256)
        return try await answer.response(to: request, with: file, filename: record.filename)
    }

    private func take(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let (id, query) = try blob(request, context)
        try signer.check(.write, to: id, expires: query["expires"], signature: query["signature"])
        guard let record = try await intake.queue.blob(id) else { throw MillraceError(.blobUnknown, "there is no blob \(id)") }
        guard record.state == .pending else { throw MillraceError(.stateConflict, "blob \(id) is written already") }
        let tooLarge = MillraceError(.tooLarge, "a blob has at most \(ByteCount.inWords(bytesMax))")
        if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length > bytesMax { throw tooLarge }
        var incoming = IncomingBlob(record: record, store: intake.blobs)
        do {
            var body = request.body.makeAsyncIterator()
            while let piece = try await SubmissionReader.nextPiece(&body) {
                guard incoming.bytes + Int64(piece.count) <= bytesMax else { throw tooLarge }
                try await incoming.append(piece)
            }
            let digest = try await incoming.finish()
            return Response(status: .created, headers: [.eTag: "\"\(digest.sha256)\""])
        } catch {
            await incoming.abandon()
            throw error
        }
    }
}
