import AsyncHTTPClient
import Foundation
import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire
import NIOCore
import NIOHTTP1
import Synchronization

/// Reads and writes blobs by signed URL. What the network spoils is repeated; what comes or was taken must have the right digest.
struct RemoteBlobs: Sendable {
    private static let chunkBytes = 1 << 20

    let client: HTTPClient
    /// The gateway's address, without a slash at its end: a grant without a host is of the gateway itself.
    let base: String
    let repetition: Repetition

    func download(_ file: JobFile, from url: String, to path: String) async throws {
        try await repeating("fetching \"\(file.name)\"", orFail: .inputUnavailable) {
            let response = try await client.execute(HTTPClientRequest(url: absolute(url)), deadline: .distantFuture)
            try Self.check(response.status, .inputUnavailable, "fetching an input")
            guard FileManager.default.createFile(atPath: path, contents: nil), let handle = FileHandle(forWritingAtPath: path) else {
                throw BlobTransfer.failure("create", path)
            }
            defer { try? handle.close() }
            var digest = RunningDigest()
            for try await buffer in response.body {
                let chunk = Data(buffer.readableBytesView)
                digest.add(chunk)
                guard digest.bytes <= file.bytes else { throw Repetition.Spoiled(description: "more bytes came than were announced") }
                try handle.write(contentsOf: chunk)
            }
            let found = digest.finish()
            guard found.bytes == file.bytes, found.sha256 == file.sha256 else {
                throw Repetition.Spoiled(description: "\(found.bytes) of \(file.bytes) bytes came, or others than were stored")
            }
        }
    }

    func upload(_ content: PipelineOutput.Content, to url: String) async throws -> BlobDigest {
        let length = try ContentChunks.bytes(of: content)
        return try await repeating("storing a result", orFail: .internal) {
            let body = UploadBody(content, chunkBytes: Self.chunkBytes)
            var request = HTTPClientRequest(url: absolute(url))
            request.method = .PUT
            request.body = .stream(body, length: .known(length))
            let response = try await client.execute(request, deadline: .distantFuture)
            if response.status == .payloadTooLarge {
                throw JobFailure(.tooLarge, "an output of \(length) bytes is more than the server takes")
            }
            try Self.check(response.status, .internal, "storing a result")
            let digest = body.digest
            if let tag = response.headers.first(name: "etag"), tag.contains("\""), tag.count == 66, tag != "\"\(digest.sha256)\"" {
                throw Repetition.Spoiled(description: "the server took other bytes than were sent")
            }
            return digest
        }
    }

    private func absolute(_ url: String) -> String { url.hasPrefix("/") ? base + url : url }

    private static func check(_ status: HTTPResponseStatus, _ code: ErrorCode, _ what: String) throws {
        switch status.code {
        case 200..<300: return
        case 500..., 408, 429: throw Repetition.Unanswered(description: "the server answered with \(status)")
        default: throw JobFailure(code, "\(what) was answered with \(status)", retryable: true)
        }
    }

    private func repeating<Value>(_ what: String, orFail code: ErrorCode, _ body: () async throws -> Value) async throws -> Value {
        try await repetition(
            what, unless: { $0 is JobFailure || $0 is CocoaError },
            giveUp: { JobFailure(code, "\(what) did not succeed: \($0)", retryable: true) }, body)
    }
}

/// The bytes of an output on their way, hashed as they go. A request may be sent anew and then begins again.
private final class UploadBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    private let content: PipelineOutput.Content
    private let chunkBytes: Int
    private let found = Mutex<BlobDigest?>(nil)

    init(_ content: PipelineOutput.Content, chunkBytes: Int) {
        self.content = content
        self.chunkBytes = chunkBytes
    }

    /// Of all that was sent, after it was.
    var digest: BlobDigest { found.withLock { $0 } ?? BlobDigest(bytes: 0, sha256: "") }

    func makeAsyncIterator() -> Iterator {
        Iterator(chunks: ContentChunks(content, chunkBytes: chunkBytes), body: self)
    }

    struct Iterator: AsyncIteratorProtocol {
        var chunks: ContentChunks
        var running = RunningDigest()
        let body: UploadBody

        mutating func next() async throws -> ByteBuffer? {
            let chunk = try chunks.next()
            guard !chunk.isEmpty else {
                let digest = running.finish()
                body.found.withLock { $0 = digest }
                return nil
            }
            running.add(chunk)
            return ByteBuffer(bytes: chunk)
        }
    }
}
