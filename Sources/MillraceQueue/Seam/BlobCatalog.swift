import MillraceCore

/// The rows that say which blobs exist, who needs them, and which may go.
///
/// A row is `pending` before its bytes are written, `stored` when they are durable, and `deleting` from the moment that
/// nothing may use them any more until their bytes are gone.
public protocol BlobCatalog: Sendable {
    /// Writes the rows of blobs that are about to be written: all of them or none.
    /// - Throws: `state_conflict` when one is there already.
    func reserve(_ blobs: [BlobRecord]) async throws
    /// Says that the bytes are durable.
    /// - Throws: `blob_unknown` when there is no pending row.
    func seal(_ id: BlobID, bytes: Int64, sha256: String, mediaType: String) async throws
    func blob(_ id: BlobID) async throws -> BlobRecord?
    /// Guards the deletion of blobs that no job uses: pending ones older than `pendingBefore` that belong to no running job,
    /// stored ones without a job older than `unusedBefore`. Turns them to `deleting` and returns them, together with
    /// those that an earlier, interrupted collection left so.
    /// - Throws: `leadership_lost`.
    func claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by leader: Leadership?) async throws -> [BlobID]
    /// Removes rows in `deleting` whose bytes are gone.
    func forget(_ ids: [BlobID]) async throws
}

extension BlobCatalog {
    public func reserve(_ blob: BlobRecord) async throws { try await reserve([blob]) }
    /// For a store that only one process uses.
    public func claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int) async throws -> [BlobID] {
        try await claimUnused(pendingBefore: pendingBefore, unusedBefore: unusedBefore, limit: limit, by: nil)
    }
}

public struct BlobRecord: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable { case pending, stored, deleting }
    public var id: BlobID
    public var tenant: String
    public var state: State
    public var createdAt: Timestamp
    /// The running job that writes it, for outputs and checkpoints.
    public var writer: JobID?
    public var filename: String?
    public var mediaType: String
    public var bytes: Int64
    public var sha256: String

    public init(
        id: BlobID, tenant: String, state: State = .pending, createdAt: Timestamp, writer: JobID? = nil,
        filename: String? = nil, mediaType: String = "application/octet-stream", bytes: Int64 = 0, sha256: String = ""
    ) {
        self.id = id
        self.tenant = tenant
        self.state = state
        self.createdAt = createdAt
        self.writer = writer
        self.filename = filename
        self.mediaType = mediaType
        self.bytes = bytes
        self.sha256 = sha256
    }
}
