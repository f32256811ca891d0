import AsyncHTTPClient
import Crypto
import Foundation
import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire
import NIOCore
import NIOHTTP1

/// Moves bytes between a worker and the blob store through the access it was granted: a path on the same machine, or a URL.
struct BlobTransfer: Sendable {
    private static let chunkBytes = 1 << 20
    let client: HTTPClient

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
        try await download(url, to: destination)
        return destination
    }

    /// Stores an output and says what was stored. Files are read piece by piece.
    func store(_ content: PipelineOutput.Content, to access: BlobAccessGrant) async throws -> BlobDigest {
        var chunks = ContentChunks(content, chunkBytes: Self.chunkBytes)
        return try await store({ try chunks.next() }, to: access)
    }

    private func store(_ next: () throws -> Data, to access: BlobAccessGrant) async throws -> BlobDigest {
        if let path = access.path { return try Self.write(next, to: path) }
        guard let url = access.url else { throw JobFailure(.internal, "no access to write was granted", retryable: true) }
        return try await upload(next, to: url)
    }

    private static func write(_ next: () throws -> Data, to path: String) throws -> BlobDigest {
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
            guard fsync(descriptor) == 0 else { throw failure("sync", temporary) }
            guard rename(temporary, path) == 0 else { throw failure("rename", temporary) }
            try syncFolder(of: path)
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

    private static func failure(_ verb: String, _ path: String) -> JobFailure {
        let code = errno
        let isFull = code == ENOSPC || code == EDQUOT
        return JobFailure(
            isFull ? .storageFull : .internal, "cannot \(verb) a result file: \(String(cString: strerror(code)))",
            hint: isFull ? "free space on the disk of the data directory" : nil, retryable: true)
    }

    private func download(_ url: String, to path: String) async throws {
        let response = try await client.execute(HTTPClientRequest(url: url), timeout: .minutes(10))
        guard response.status == .ok else {
            throw JobFailure(.inputUnavailable, "fetching an input was answered with \(response.status)", retryable: true)
        }
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
            throw Self.failure("create", path)
        }
        defer { try? file.close() }
        for try await buffer in response.body { try file.write(contentsOf: Data(buffer.readableBytesView)) }
    }

    private func upload(_ next: () throws -> Data, to url: String) async throws -> BlobDigest {
        var digest = RunningDigest()
        var body = ByteBuffer()
        while case let chunk = try next(), !chunk.isEmpty {
            digest.add(chunk)
            body.writeBytes(chunk)
        }
        var request = HTTPClientRequest(url: url)
        request.method = .PUT
        request.body = .bytes(body)
        let response = try await client.execute(request, timeout: .minutes(10))
        guard response.status.code < 300 else {
            throw JobFailure(.internal, "storing a result was answered with \(response.status)", retryable: true)
        }
        return digest.finish()
    }
}

/// An output's bytes, in pieces; an empty one is the end.
private struct ContentChunks {
    /// What is still to come, the next at the end.
    private var waiting: [PipelineOutput.Content]
    private var file: FileHandle?
    private let chunkBytes: Int

    init(_ content: PipelineOutput.Content, chunkBytes: Int) {
        waiting = [content]
        self.chunkBytes = chunkBytes
    }

    mutating func next() throws -> Data {
        while true {
            if let piece = try file?.read(upToCount: chunkBytes), !piece.isEmpty { return piece }
            try? file?.close()
            file = nil
            switch waiting.popLast() {
            case nil: return Data()
            case .bytes(let bytes): if !bytes.isEmpty { return Data(bytes) }
            case .joined(let parts): waiting += parts.reversed()
            case .file(let path):
                file = FileHandle(forReadingAtPath: path)
                if file == nil { throw JobFailure(.handlerProtocol, "the output file \(path) cannot be read") }
            }
        }
    }
}

private struct RunningDigest {
    private var hash = SHA256()
    private var bytes: Int64 = 0

    mutating func add(_ chunk: Data) {
        hash.update(data: chunk)
        bytes += Int64(chunk.count)
    }

    func finish() -> BlobDigest {
        BlobDigest(bytes: bytes, sha256: hash.finalize().map { String(format: "%02x", $0) }.joined())
    }
}
