import MillraceCloud
import MillraceCore
import MillraceQueue

/// Takes bytes in as a new blob: its row first, then its bytes, in pieces that keep memory bounded.
struct BlobIntake: Sendable {
    let queue: JobQueue
    let blobs: any BlobStore
    let reserved: ReservedBlobs
    let surroundings: Surroundings

    /// Begins to write a file of a job, which keeps the file's name.
    func begin(tenant: String) async throws -> IncomingBlob {
        IncomingBlob(record: try await reserved.next(tenant: tenant), store: blobs)
    }

    /// Writes the row of a new upload, which keeps its file's name itself, and begins to write its bytes.
    func beginUpload(tenant: String, filename: String?) async throws -> IncomingBlob {
        let record = BlobRecord(id: surroundings.makeID(), tenant: tenant, createdAt: surroundings.now(), filename: filename)
        try await queue.reserve(record)
        return IncomingBlob(record: record, store: blobs)
    }

    /// Throws away a blob that was begun, also when it was finished. Its row stays pending until it is collected.
    func discard(_ blob: borrowing IncomingBlob) async {
        await blob.abandon()
        try? await blobs.delete(blob.record.id)
    }
}

/// A blob on its way in. What is not finished must be abandoned; its row stays pending until it is collected.
struct IncomingBlob: ~Copyable {
    /// Pieces handed to the store: fewer than come from the network, so that a file does not cost a system call per packet.
    private static let pieceBytes = 256 * 1024

    let record: BlobRecord
    private let store: any BlobStore
    /// Opened with the second piece; most blobs are no longer than one.
    private var writer: (any BlobWriter)?
    private var pending: [UInt8] = []
    private(set) var bytes: Int64 = 0
    /// The beginning, for telling what it is.
    private(set) var prefix: [UInt8] = []
    /// The end, up to now.
    private(set) var tail: [UInt8] = []

    init(record: BlobRecord, store: any BlobStore) {
        self.record = record
        self.store = store
    }

    mutating func append(_ chunk: [UInt8]) async throws {
        bytes += Int64(chunk.count)
        if prefix.count < MediaSniffer.prefixBytes { prefix += chunk.prefix(MediaSniffer.prefixBytes - prefix.count) }
        tail = Array((chunk.count >= PDFTrailer.tailBytes ? chunk[...] : (tail + chunk)[...]).suffix(PDFTrailer.tailBytes))
        pending += chunk
        if pending.count >= Self.pieceBytes { try await flush() }
    }

    /// Makes the blob durable.
    mutating func finish() async throws -> BlobDigest {
        guard let writer else { return try await store.put(takePending(), as: record.id) }
        if !pending.isEmpty { try await writer.append(takePending()) }
        return try await writer.finish()
    }

    func abandon() async {
        await writer?.abandon()
    }

    private mutating func flush() async throws {
        if writer == nil { writer = try await store.write(record.id) }
        try await writer?.append(takePending())
    }

    private mutating func takePending() -> [UInt8] {
        defer { pending = [] }
        return pending
    }
}
