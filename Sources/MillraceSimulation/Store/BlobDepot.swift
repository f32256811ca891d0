import Foundation
import MillraceCore
import Synchronization

/// The bytes of blobs: only whether they are there.
final class BlobDepot: Sendable {
    private let blobs = Mutex<Set<BlobID>>([])

    func write(_ id: BlobID) {
        blobs.withLock { _ = $0.insert(id) }
    }

    func has(_ id: BlobID) -> Bool {
        blobs.withLock { $0.contains(id) }
    }

    func delete(_ id: BlobID) {
        blobs.withLock { _ = $0.remove(id) }
    }

    static func removeFile(_ path: String) {
        try? FileManager.default.removeItem(atPath: path)
    }
}
