import Foundation
import NIOCore
import NIOPosix

/// A file that is read or written on threads of its own, since disks block.
final class LocalFile: Sendable {
    private let descriptor: CInt
    private let path: String

    private init(descriptor: CInt, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        close(descriptor)
    }

    static func open(_ path: String) async throws -> LocalFile {
        try await blocking(path) { LocalFile(descriptor: try checked(Foundation.open(path, O_RDONLY | O_CLOEXEC)), path: path) }
    }

    /// A new, empty file.
    static func create(_ path: String) async throws -> LocalFile {
        try await blocking(path) {
            LocalFile(descriptor: try checked(Foundation.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)), path: path)
        }
    }

    /// The bytes of a regular file.
    static func size(of path: String) async throws -> Int64 {
        try await blocking(path) {
            var status = stat()
            _ = try checked(stat(path, &status))
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw MillraceClientError.file(path: path, reason: status.st_mode & S_IFMT == S_IFDIR ? "is a directory" : "is not a regular file")
            }
            return Int64(status.st_size)
        }
    }

    func read(at offset: Int64, atMost bytesMax: Int) async throws -> ByteBuffer {
        try await Self.blocking(path) { [descriptor] in
            var buffer = ByteBufferAllocator().buffer(capacity: bytesMax)
            _ = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { bytes in
                try Self.checked(pread(descriptor, bytes.baseAddress, bytesMax, off_t(offset)))
            }
            return buffer
        }
    }

    func append(_ bytes: [UInt8]) async throws {
        try await Self.blocking(path) { [descriptor] in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = try rest.withUnsafeBytes { try Self.checked(write(descriptor, $0.baseAddress, $0.count)) }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Gives the finished file its name, in place of one that was there.
    static func rename(_ path: String, to target: String) async throws {
        try await blocking(target) { _ = try checked(Foundation.rename(path, target)) }
    }

    static func remove(_ path: String) async throws {
        try await blocking(path) { _ = try checked(unlink(path)) }
    }

    private static func checked<Value: SignedInteger>(_ value: Value) throws -> Value {
        guard value >= 0 else { throw Errno(code: errno) }
        return value
    }

    private struct Errno: Error { var code: CInt }

    private static func blocking<Value: Sendable>(_ path: String, _ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        do {
            return try await NIOThreadPool.singleton.runIfActive(body)
        } catch let error as Errno {
            throw MillraceClientError.file(path: path, reason: String(cString: strerror(error.code)).lowercased())
        }
    }
}
