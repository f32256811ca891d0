import MillraceCloud
import MillraceCore
import Synchronization

/// The blobs that one request brought, as long as nothing refers to them. Uploads that it only names are never among them.
final class PendingBlobs: Sendable {
    private let blobs: any BlobStore
    private let ids = Mutex<[BlobID]>([])

    init(_ blobs: any BlobStore) {
        self.blobs = blobs
    }

    func add(_ id: BlobID) {
        ids.withLock { $0.append(id) }
    }

    /// They are, or may be, a job's: nothing is thrown away any more.
    func keep() {
        ids.withLock { $0 = [] }
    }

    /// Deletes their bytes. Their rows stay pending until they are collected, and with them what cannot be deleted now.
    func discard() async {
        let ids = ids.withLock { ids in
            defer { ids = [] }
            return ids
        }
        for id in ids { try? await blobs.delete(id) }
    }
}
