import Foundation
import Synchronization

/// Makes folders in one parent and sees to it that they survive a power cut before anything in them is relied on.
///
/// A sync of a file and of its folder does not make the folder's own name durable: that stands in the parent.
final class DurableFolders: Sendable {
    private let parent: String
    private let known = Mutex<Set<String>>([])

    init(parent: String) {
        self.parent = parent
    }

    /// Makes the folder unless it is there. When this returns, its name is on the disk.
    func prepare(_ name: String) throws {
        guard !known.withLock({ $0.contains(name) }) else { return }
        // One that is there already may be another writer's, made a moment ago and not yet on the disk; so it is synced too.
        try FileManager.default.createDirectory(
            atPath: parent + "/" + name, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try FileError.syncFolder(parent)
        known.withLock { _ = $0.insert(name) }
    }
}
