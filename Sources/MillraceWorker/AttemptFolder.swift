import Foundation
import MillraceCore
import Synchronization

/// A folder of one attempt's own. Most attempts need none, so it is made at its first use, and goes with the attempt.
final class AttemptFolder: Sendable {
    private let scratch: String
    private let token: LeaseToken
    private let isMade = Mutex(false)

    init(path scratch: String, of token: LeaseToken) {
        self.scratch = scratch
        self.token = token
    }

    private var path: String { "\(scratch)/\(token)" }

    /// The folder's path; it is there.
    func make() throws -> String {
        try isMade.withLock { isMade in
            if !isMade {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
            isMade = true
        }
        return path
    }

    /// The path of an empty folder in it for a model's own files.
    func makeWorkdir() throws -> String {
        let workdir = try make() + "/work"
        try FileManager.default.createDirectory(atPath: workdir, withIntermediateDirectories: true)
        return workdir
    }

    func remove() {
        if isMade.withLock({ $0 }) { try? FileManager.default.removeItem(atPath: path) }
    }
}
