import HTTPTypes
import Hummingbird
import MillraceCloud
import MillraceCore
import MillraceQueue

/// `GET` and `PUT /v1/blobs/{id}` with a signed address: how workers elsewhere read inputs and write outputs of a directory store.
struct BlobRoutes: Sendable {
    let intake: BlobIntake
    let signer: BlobURLSigner
    let keys: APIKeys
    let answer: BlobAnswer
    /// The most bytes of a client's upload.
    let bytesMax: Int64
    /// The most bytes of one output of a job.
    let outputBytesMax: Int64

    func add(to doors: inout Doors) {
        doors.get("/v1/blobs/:blob", .open) { try await give($0, $1) }
        doors.put("/v1/blobs/:blob", .open) { try await take($0, $1) }
    }

    private func blob(_ request: Request, _ context: GatewayContext) throws -> (id: BlobID, query: QueryItems) {
        let query = try QueryItems(request)
        try query.allow(only: "expires", "key", "signature")
        let text = try context.parameters.require("blob")
        guard let id = BlobID(text) else { throw MillraceError(.blobUnknown, "there is no blob \(text.prefix(64))") }
        return (id, query)
    }

    /// The worker's key with which an address was granted; `nil`: without one.
    /// - Throws: `forbidden` when it has been revoked since.
    private func holder(_ query: QueryItems) async throws -> KeyID? {
        guard let text = query["key"] else { return nil }
        guard let key = KeyID(text), try await keys.holds(workerKey: key) else {
            throw MillraceError(.forbidden, "the key with which this address was granted is not valid any more")
        }
        return key
    }

    private func give(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let (id, query) = try blob(request, context)
        let bond = try await holder(query).map { BlobURLSigner.Bond(key: $0, lease: nil) }
        try signer.check(.read, to: id, expires: query["expires"], signature: query["signature"], bond: bond)
        guard let record = try await intake.queue.blob(id), record.state == .stored else {
            throw MillraceError(.blobUnknown, "there is no blob \(id)")
        }
        let file = JobFile(name: "blob", blob: id, mediaType: record.mediaType, bytes: record.bytes, sha256: record.sha256)
        return try await answer.response(to: request, with: file, filename: record.filename)
    }

    private func take(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let (id, query) = try blob(request, context)
        let (holder, found) = (try await holder(query), try await intake.queue.blob(id))
        var bond: BlobURLSigner.Bond?
        if let holder {
            // Without a lease no signature is right.
            var lease: LeaseToken?
            if let job = found?.writer { lease = try await intake.queue.job(job)?.lease?.token }
            bond = .init(key: holder, lease: lease)
        }
        try signer.check(.write, to: id, expires: query["expires"], signature: query["signature"], bond: bond)
        guard let record = found else { throw MillraceError(.blobUnknown, "there is no blob \(id)") }
        let bytesMax = holder == nil ? bytesMax : outputBytesMax
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
