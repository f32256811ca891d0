import MillraceCore

/// Where inputs, results and checkpoints lie as bytes, under opaque ids.
///
/// A store knows nothing of jobs. The row that says that a blob exists is written to the job store *before* its bytes
/// come here, and is changed to *deleting* before they go, so that no crash leaves bytes that nobody knows of.
public protocol BlobStore: Sendable {
    /// Begins to write a blob; its bytes can be read only after ``BlobWriter/finish()``.
    func write(_ blob: BlobID) async throws -> any BlobWriter
    /// Stores a blob whose bytes are all here, durably. What it stands for is in its default.
    func put(_ bytes: [UInt8], as blob: BlobID) async throws -> BlobDigest
    /// The blob's bytes, or a part of them.
    /// - Throws: `blob_unknown` when there is no finished blob of this id.
    func read(_ blob: BlobID, range: Range<Int64>?) async throws -> BlobContent
    /// Deletes the bytes. A blob that is not there is no error.
    func delete(_ blob: BlobID) async throws
    /// A right to read or write this blob without passing its bytes through the gateway.
    func grant(_ access: BlobAccess, to blob: BlobID, for validity: Duration) async throws -> BlobGrant
}

extension BlobStore {
    public func put(_ bytes: [UInt8], as blob: BlobID) async throws -> BlobDigest {
        let writer = try await write(blob)
        do {
            try await writer.append(bytes)
            return try await writer.finish()
        } catch {
            await writer.abandon()
            throw error
        }
    }
}

public enum BlobAccess: String, Sendable, Codable { case read, write }

/// How a worker reaches a blob. A path grant to write names a file that is not there yet: write beside it, sync, rename.
public enum BlobGrant: Sendable, Codable, Equatable {
    case path(String)
    /// An absolute URL for `GET` or `PUT`; the signature is in it.
    case url(String)
}

public protocol BlobWriter: Sendable {
    func append(_ bytes: [UInt8]) async throws
    /// Makes the blob durable and readable.
    func finish() async throws -> BlobDigest
    /// Throws away what was written; harmless after ``finish()``.
    func abandon() async
}

public struct BlobDigest: Sendable, Codable, Equatable {
    public var bytes: Int64
    /// Lower-case hexadecimal.
    public var sha256: String

    public init(bytes: Int64, sha256: String) {
        self.bytes = bytes
        self.sha256 = sha256
    }
}

public struct BlobContent: Sendable {
    /// Bytes of the whole blob, also when only a part is read.
    public var bytesTotal: Int64
    /// The bytes asked for, in chunks of at most 1 MiB.
    public var chunks: AsyncThrowingStream<[UInt8], any Error>

    public init(bytesTotal: Int64, chunks: AsyncThrowingStream<[UInt8], any Error>) {
        self.bytesTotal = bytesTotal
        self.chunks = chunks
    }
}
