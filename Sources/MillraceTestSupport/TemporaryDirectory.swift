import Foundation
import MillraceCore

/// A new, empty directory that goes with its object.
public final class TemporaryDirectory: Sendable {
    public let path: String

    public init(_ name: String = "millrace-test") throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "\(name)-\(Surroundings.system.makeID(BlobKind.self))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in the directory.
    public func file(_ name: String) -> String {
        path + "/" + name
    }
}

/// Runs a test with a directory that is there until it ends.
public func withTemporaryDirectory<Value>(_ body: (TemporaryDirectory) async throws -> Value) async throws -> Value {
    let directory = try TemporaryDirectory()
    defer { withExtendedLifetime(directory) {} }
    return try await body(directory)
}
