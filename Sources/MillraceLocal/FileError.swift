import Crypto
import Foundation
import MillraceCore

/// Errors of the file system as people read them, and the few calls that raise them.
enum FileError {
    static func last(_ verb: String, _ path: String) -> MillraceError {
        let code = errno
        let reason = String(cString: strerror(code))
        guard code == ENOSPC || code == EDQUOT else {
            return MillraceError(.internal, "cannot \(verb) \(path): \(reason)")
        }
        return MillraceError(
            .storageFull, "cannot \(verb) a file: \(reason)",
            hint: "free space on the disk of the data directory, or shorten the retention of finished jobs")
    }

    static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws {
        try bytes.withUnsafeBytes { raw in
            var written = 0
            while written < raw.count {
                let count = write(descriptor, raw.baseAddress! + written, raw.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw last("write", path) }
                written += count
            }
        }
    }

    /// Makes a rename durable.
    static func syncFolder(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw last("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw last("sync", path) }
    }
}
