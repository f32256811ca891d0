import Crypto
import Foundation
import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire

/// Moves bytes between a worker and the blob store through the access it was granted: a path on the same machine, or a URL.
struct BlobTransfer: Sendable {
    private static let chunkBytes = 1 << 20
    /// Where blobs are by URL.
    let remote: RemoteBlobs

    /// A local file with the blob's bytes: the store's own file where the grant is a path, else a download into `folder`.
    func fetch(_ file: LeasedJob.File, into folder: AttemptFolder, as name: String) async throws -> String {
        if let path = file.access.path {
            guard FileManager.default.isReadableFile(atPath: path) else {
                throw JobFailure(.inputUnavailable, "the input \"\(file.file.name)\" is no longer in the blob store", retryable: true)
            }
            return path
        }
        guard let url = file.access.url else {
            throw JobFailure(.inputUnavailable, "the input \"\(file.file.name)\" came without access", retryable: true)
        }
        let destination = try folder.make() + "/" + name
        try await remote.download(file.file, from: url, to: destination)
        return destination
    }

    /// Stores an output and says what was stored. Files are read piece by piece.
    func store(_ content: PipelineOutput.Content, to access: BlobAccessGrant) async throws -> BlobDigest {
        if let path = access.path {
            var chunks = ContentChunks(content, chunkBytes: Self.chunkBytes)
            return try Self.write({ try chunks.next() }, to: path, lasting: true)
        }
        guard let url = access.url else { throw JobFailure(.internal, "no access to write was granted", retryable: true) }
        return try await remote.upload(content, to: url)
    }

    /// Keeps a copy in the attempt's own folder, which need not last longer than the process.
    func copy(_ content: PipelineOutput.Content, to path: String) throws {
        var chunks = ContentChunks(content, chunkBytes: Self.chunkBytes)
        _ = try Self.write({ try chunks.next() }, to: path, lasting: false)
    }

    private static func write(_ next: () throws -> Data, to path: String, lasting: Bool) throws -> BlobDigest {
        let temporary = path + ".\(getpid()).part"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("create", temporary) }
        defer { close(descriptor) }
        var digest = RunningDigest()
        do {
            while case let chunk = try next(), !chunk.isEmpty {
                digest.add(chunk)
                try writeAll(chunk, to: descriptor, temporary)
            }
            guard !lasting || fsync(descriptor) == 0 else { throw failure("sync", temporary) }
            guard rename(temporary, path) == 0 else { throw failure("rename", temporary) }
            if lasting { try syncFolder(of: path) }
        } catch {
            unlink(temporary)
            throw error
        }
        return digest.finish()
    }

    private static func writeAll(_ chunk: Data, to descriptor: Int32, _ path: String) throws {
        try chunk.withUnsafeBytes { raw in
            var written = 0
            while written < raw.count {
                let count = Glibc.write(descriptor, raw.baseAddress! + written, raw.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failure("write", path) }
                written += count
            }
        }
    }

    private static func syncFolder(of path: String) throws {
        let folder = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("open the folder of", path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure("sync the folder of", path) }
    }

    static func failure(_ verb: String, _ path: String) -> JobFailure {
        let code = errno
        let isFull = code == ENOSPC || code == EDQUOT
        return JobFailure(
            isFull ? .storageFull : .internal, "cannot \(verb) a result file: \(String(cString: strerror(code)))",
            hint: isFull ? "free space on the disk of the data directory" : nil, retryable: true)
    }
}

struct RunningDigest {
    private var hash = SHA256()
    private(set) var bytes: Int64 = 0

    mutating func add(_ chunk: Data) {
        hash.update(data: chunk)
        bytes += Int64(chunk.count)
    }

    func finish() -> BlobDigest {
        BlobDigest(bytes: bytes, sha256: hash.finalize().hexadecimal)
    }
}
