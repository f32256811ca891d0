import Crypto
import Foundation
import MillraceCloud
import MillraceCore
import Synchronization

/// Blobs as files of one directory: `<root>/<last two characters of the id>/<id>`, written beside and renamed when whole.
///
/// A name is made from an identifier's 128 bits alone, so no input can lead outside of the root.
public struct DirectoryBlobStore: BlobStore {
    /// Makes the URL that grants an access, for workers that do not share this directory.
    public typealias Signer = @Sendable (BlobAccess, BlobID, Duration) -> String

    private let root: String
    private let signer: Signer?
    private let surroundings: Surroundings

    /// - Parameter signer: when given, access is granted as its URLs in place of paths.
    public init(root: String, signer: Signer? = nil, surroundings: Surroundings = .system) throws {
        self.surroundings = surroundings
        let root = URL(fileURLWithPath: root, isDirectory: true).standardizedFileURL
        self.root = root.path
        self.signer = signer
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try FileError.syncFolder(root.deletingLastPathComponent().path)
        try makeFolders()
    }

    /// All of them at once: a sync of a file and of its folder does not make the folder's own name durable, which stands in the root, and a
    /// sync of that for each folder is a fifteenth of what the first thousand photos cost the server.
    private func makeFolders() throws {
        for number in UInt8.min...UInt8.max {
            let folder = root + "/" + [number].hexadecimal
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw FileError.last("make", folder) }
        }
        // Also where all were there: they may be another process's, made a moment ago.
        try FileError.syncFolder(root)
    }

    public func write(_ blob: BlobID) async throws -> any BlobWriter {
        try await Blocking.run { try FileBlobWriter(folder: folder(of: blob), blob: blob, mark: surroundings.random()) }
    }

    /// One visit to the threads for files, where a writer takes three: most inputs are small.
    public func put(_ bytes: [UInt8], as blob: BlobID) async throws -> BlobDigest {
        try await Blocking.run {
            let writer = try FileBlobWriter(folder: folder(of: blob), blob: blob, mark: surroundings.random())
            try writer.add(bytes)
            return try writer.seal()
        }
    }

    public func read(_ blob: BlobID, range: Range<Int64>?) async throws -> BlobContent {
        let path = path(of: blob)
        let reader = try await Blocking.run { try FileBlobReader(path: path, range: range, blob: blob) }
        return BlobContent(
            bytesTotal: reader.bytesTotal,
            chunks: AsyncThrowingStream(unfolding: { try await Blocking.run { try reader.next() } }))
    }

    public func delete(_ blob: BlobID) async throws {
        let (folder, path) = (folder(of: blob), path(of: blob))
        try await Blocking.run {
            if unlink(path) != 0, errno != ENOENT { throw FileError.last("delete", path) }
            // What an interrupted writer left beside it goes with it.
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasPrefix("\(blob).") {
                unlink(folder + "/" + name)
            }
        }
    }

    public func grant(_ access: BlobAccess, to blob: BlobID, for validity: Duration) async throws -> BlobGrant {
        if let signer { return .url(signer(access, blob, validity)) }
        return .path(path(of: blob))
    }

    private func folder(of blob: BlobID) -> String { root + "/" + blob.description.suffix(2) }
    private func path(of blob: BlobID) -> String { folder(of: blob) + "/" + blob.description }
}

/// Writes one file: hash on the way, sync, rename, sync the folder.
final class FileBlobWriter: BlobWriter {
    private struct State: ~Copyable {
        var descriptor: Int32
        var hash = SHA256()
        var bytes: Int64 = 0
        var finished = false
    }
    private let folder: String
    private let destination: String
    private let temporary: String
    private let state: Mutex<State>

    /// - Parameter mark: tells this writer's file from that of another writer of the same blob.
    init(folder: String, blob: BlobID, mark: UInt64) throws {
        self.folder = folder
        destination = folder + "/" + blob.description
        temporary = destination + ".\(mark).part"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError.last("create", temporary) }
        state = Mutex(State(descriptor: descriptor))
    }

    deinit {
        state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
            if !state.finished { unlink(temporary) }
        }
    }

    func append(_ bytes: [UInt8]) async throws {
        try await Blocking.run { [self] in try add(bytes) }
    }

    func finish() async throws -> BlobDigest {
        try await Blocking.run { [self] in try seal() }
    }

    /// Blocks, as ``seal()`` does.
    fileprivate func add(_ bytes: [UInt8]) throws {
        try state.withLock { state in
            try FileError.writeAll(bytes, to: state.descriptor, path: temporary)
            state.hash.update(data: bytes)
            state.bytes += Int64(bytes.count)
        }
    }

    fileprivate func seal() throws -> BlobDigest {
        try state.withLock { state in
            guard fsync(state.descriptor) == 0 else { throw FileError.last("sync", temporary) }
            close(state.descriptor)
            state.descriptor = -1
            guard rename(temporary, destination) == 0 else { throw FileError.last("rename", temporary) }
            state.finished = true
            try FileError.syncFolder(folder)
            return BlobDigest(bytes: state.bytes, sha256: state.hash.finalize().hexadecimal)
        }
    }

    func abandon() async {
        try? await Blocking.run { [self] in
            state.withLock { state in
                if state.descriptor >= 0 { close(state.descriptor) }
                state.descriptor = -1
                if !state.finished { unlink(temporary) }
            }
        }
    }
}

/// Reads a file or a part of it in chunks.
private final class FileBlobReader: Sendable {
    private static let chunkBytes = 256 * 1024
    let bytesTotal: Int64
    private let path: String
    private let descriptor: Int32
    private let window: Mutex<Range<Int64>>

    init(path: String, range: Range<Int64>?, blob: BlobID) throws {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw MillraceError(.blobUnknown, "there is no blob \(blob)") }
            throw FileError.last("open", path)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            close(descriptor)
            throw FileError.last("read", path)
        }
        bytesTotal = Int64(status.st_size)
        window = Mutex((range ?? 0..<bytesTotal).clamped(to: 0..<bytesTotal))
    }

    deinit { close(descriptor) }

    func next() throws -> [UInt8]? {
        try window.withLock { window in
            guard !window.isEmpty else { return nil }
            let wanted = min(Self.chunkBytes, Int(window.count))
            let bytes = try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
                count = pread(descriptor, buffer.baseAddress, wanted, off_t(window.lowerBound))
                guard count > 0 else {
                    let failed = count < 0
                    count = 0
                    if failed { throw FileError.last("read", path) }
                    throw MillraceError(.inputUnavailable, "the blob is shorter than it was when reading began")
                }
            }
            window = window.lowerBound + Int64(bytes.count)..<window.upperBound
            return bytes
        }
    }
}
