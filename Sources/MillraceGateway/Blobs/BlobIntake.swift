import MillraceCloud
import MillraceCore
import MillraceQueue

/// Takes bytes in as a new blob: its row first, then its bytes, in pieces that keep memory bounded.
struct BlobIntake: Sendable {
    let queue: JobQueue
    let blobs: any BlobStore
    let surroundings: Surroundings

    /// Writes the row of a new blob and begins to write its bytes.
    func begin(tenant: String, filename: String? = nil) async throws -> IncomingBlob {
        let record = BlobRecord(
            id: surroundings.makeID(), tenant: tenant, createdAt: surroundings.now(), filename: filename)
        try await queue.reserve(record)
        return IncomingBlob(record: record, writer: try await blobs.write(record.id))
    }

    /// Throws away a blob that ``begin(tenant:filename:)`` gave, also when it was finished. Its row stays pending until it is collected.
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
    private let writer: any BlobWriter
    private var pending: [UInt8] = []
    private(set) var bytes: Int64 = 0
    /// The beginning, for telling what it is.
    private(set) var prefix: [UInt8] = []
    /// The end, up to now.
    private(set) var tail: [UInt8] = []

    init(record: BlobRecord, writer: any BlobWriter) {
        self.record = record
        self.writer = writer
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
        try await flush()
        return try await writer.finish()
    }

    func abandon() async {
        await writer.abandon()
    }

    private mutating func flush() async throws {
        guard !pending.isEmpty else { return }
        let piece = pending
        pending = []
        try await writer.append(piece)
    }
}
