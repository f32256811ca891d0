import Foundation
import MillraceCore

/// An advisory lock of a file (`flock`), which goes with the process at the latest.
package final class FileLock: Sendable {
    package enum Kind: Sendable { case shared, exclusive }

    private let descriptor: Int32

    /// `nil` when somebody else has it. Whoever waits for that would wait for ever for a file that cannot be locked at all.
    /// - Throws: `invalid_settings` for such a file.
    package init?(_ path: String, _ kind: Kind) throws {
        // Not the property yet: once that is set, `deinit` runs even when this gives nothing.
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw Self.fault("open", path) }
        guard flock(opened, (kind == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 else {
            defer { close(opened) }
            if errno == EWOULDBLOCK { return nil }
            throw Self.fault("lock", path)
        }
        descriptor = opened
    }

    deinit { close(descriptor) }

    package func release() { flock(descriptor, LOCK_UN) }

    private static func fault(_ verb: String, _ path: String) -> MillraceError {
        MillraceError(.invalidSettings, "cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }
}
