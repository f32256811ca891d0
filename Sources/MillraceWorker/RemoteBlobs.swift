import AsyncHTTPClient
import Foundation
import Logging
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
    /// How often a transfer that comes to a wrong end is begun again.
    private static let spoiledMax = 8

    let client: HTTPClient
    /// The gateway's address: a grant without a host is of the gateway itself.
    let base: String
    /// How long to repeat what finds nobody.
    let patience: Duration
    let surroundings: Surroundings
    let logger: Logger

    func download(_ file: JobFile, from url: String, to path: String) async throws {
        try await repeating("fetching \"\(file.name)\"") {
            let response = try await client.execute(HTTPClientRequest(url: absolute(url)), deadline: .distantFuture)
            try Self.check(response.status, .inputUnavailable, "fetching an input")
            guard FileManager.default.createFile(atPath: path, contents: nil), let handle = FileHandle(forWritingAtPath: path) else {
                throw BlobTransfer.failure("create", path)
            }
            defer { try? handle.close() }
            var digest = RunningDigest()
            var bytes: Int64 = 0
            for try await buffer in response.body {
                let chunk = Data(buffer.readableBytesView)
                bytes += Int64(chunk.count)
                guard bytes <= file.bytes else { throw Spoiled(reason: "more bytes came than were announced") }
                digest.add(chunk)
                try handle.write(contentsOf: chunk)
            }
            let found = digest.finish()
            guard found.bytes == file.bytes, found.sha256 == file.sha256 else {
                throw Spoiled(reason: "\(found.bytes) of \(file.bytes) bytes came, or others than were stored")
            }
        }
    }

    func upload(_ content: PipelineOutput.Content, to url: String) async throws -> BlobDigest {
        let length = try ContentChunks.bytes(of: content)
        return try await repeating("storing a result") {
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
                throw Spoiled(reason: "the server took other bytes than were sent")
            }
            return digest
        }
    }

    private func absolute(_ url: String) -> String {
        url.hasPrefix("/") ? (base.hasSuffix("/") ? String(base.dropLast()) : base) + url : url
    }

    /// A transfer that came to an end, but not to the right one.
    private struct Spoiled: Error { var reason: String }

    private static func check(_ status: HTTPResponseStatus, _ code: ErrorCode, _ what: String) throws {
        switch status.code {
        case 200..<300: return
        case 500..., 408, 429: throw Spoiled(reason: "the server answered with \(status)")
        default: throw JobFailure(code, "\(what) was answered with \(status)", retryable: true)
        }
    }

    private func repeating<Value>(_ what: String, _ body: () async throws -> Value) async throws -> Value {
        let giveUpAt = surroundings.now() + patience
        var (tries, spoiled) = (0, 0)
        while true {
            do {
                return try await body()
            } catch let error where error is JobFailure || error is CocoaError {
                throw error
            } catch {
                try Task.checkCancellation()
                tries += 1
                if error is Spoiled { spoiled += 1 }
                guard surroundings.now() < giveUpAt, spoiled <= Self.spoiledMax else {
                    throw JobFailure(.inputUnavailable, "\(what) did not succeed: \(error)", retryable: true)
                }
                if tries == 1 { logger.warning("a transfer broke off; trying again", metadata: ["transfer": "\(what)", "error": "\(error)"]) }
                try await surroundings.sleep(.backoff(after: tries, upTo: .seconds(5), surroundings))
            }
        }
    }
}

extension Duration {
    /// A wait that doubles with each failure from 100 ms on, less a random part, so that many who lost the same server do not come
    /// back at once.
    static func backoff(after failures: Int, upTo limit: Duration, _ surroundings: Surroundings) -> Duration {
        min(.milliseconds(100) * (1 << min(failures, 12)), limit) * (0.5 + 0.5 * surroundings.fraction())
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
