import AsyncHTTPClient
import Crypto
import Foundation
import Logging
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

/// Fetches models from a gateway with a worker's key.
struct ModelFetch: Sendable {
    /// How often a file that does not have its digest is fetched anew.
    private static let spoiledMax = 3

    let client: HTTPClient
    let base: String
    let key: String
    /// How long to repeat what finds nobody.
    let patience: Duration
    let surroundings: Surroundings
    let logger: Logger

    func borrow(_ version: String, from cache: ModelCache) async throws -> ModelLoan {
        guard ModelTree.isDigest(version) else { throw MillraceError(.modelUnavailable, "the gateway named no model's version") }
        let listing = try await repeating("the list of a model") {
            let response = try await send("/v1/worker/models/\(version)", from: 0)
            let body = try await response.body.collect(upTo: 16 << 20)
            return try MillraceJSON.decode(ModelListing.self, bytes: body.readableBytesView)
        }
        return try await cache.borrow(try ModelTree(listing)) { file, path in try await fetch(file, of: version, to: path) }
    }

    /// Goes on behind the bytes that are there, after a broken connection or a stop.
    private func fetch(_ file: ModelListing.File, of version: String, to path: String) async throws {
        var spoiled = 0
        while true {
            while try await !repeating(file.path, { try await fetchRest(of: file, of: version, to: path) }) {}
            if try digest(of: path) == file.sha256 { return }
            unlink(path)
            spoiled += 1
            guard spoiled < Self.spoiledMax else {
                throw MillraceError(.modelUnavailable, "\(file.path) does not have the digest that the gateway named", hint: "has the model's folder changed under the server? start it again")
            }
        }
    }

    /// - Returns: whether all is there. What brought some bytes before it broke off is no failure, however often it happens.
    private func fetchRest(of file: ModelListing.File, of version: String, to path: String) async throws -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw fault("create", path) }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var offset = Int64(try handle.seekToEnd())
        if offset > file.bytes { offset = 0 }
        if offset < file.bytes {
            let response = try await send("/v1/worker/models/\(version)/files/\(file.sha256)", from: offset)
            if response.status != .partialContent { offset = 0 }
            try handle.truncate(atOffset: UInt64(offset))
            let start = offset
            do {
                for try await buffer in response.body {
                    offset += Int64(buffer.readableBytes)
                    guard offset <= file.bytes else { break }
                    try handle.write(contentsOf: Data(buffer.readableBytesView))
                }
            } catch where offset > start && !(error is CocoaError) && !Task.isCancelled {
                return false
            }
        } else if file.bytes == 0 {
            try handle.truncate(atOffset: 0)
        }
        try handle.synchronize()
        if offset < file.bytes { throw Unfinished() }
        return true
    }

    /// The connection ended before the bytes did.
    private struct Unfinished: Error {}

    private func send(_ path: String, from offset: Int64) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: (base.hasSuffix("/") ? String(base.dropLast()) : base) + path)
        request.headers.add(name: "authorization", value: "Bearer \(key)")
        if offset > 0 { request.headers.add(name: "range", value: "bytes=\(offset)-") }
        let response = try await client.execute(request, deadline: .distantFuture)
        guard response.status.code >= 300 else { return response }
        let body = try? await response.body.collect(upTo: 1 << 16)
        let problem = body.flatMap { try? MillraceJSON.decode(ProblemDetails.self, bytes: $0.readableBytesView) }
        guard response.status.code < 500, response.status != .tooManyRequests else { throw Unfinished() }
        throw MillraceError(
            .modelUnavailable, "fetching a model was answered with \(response.status)\(problem.map { ": \($0.detail)" } ?? "")", hint: problem?.hint)
    }

    private func digest(of path: String) throws -> String {
        guard let file = FileHandle(forReadingAtPath: path) else { throw fault("read", path) }
        defer { try? file.close() }
        var hash = SHA256()
        while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty { hash.update(data: chunk) }
        return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }

    private func repeating<Value>(_ what: String, _ body: () async throws -> Value) async throws -> Value {
        let giveUpAt = surroundings.now() + patience
        var tries = 0
        while true {
            do {
                return try await body()
            } catch let error where error is MillraceError || error is CocoaError || error is DecodingError {
                throw error
            } catch {
                try Task.checkCancellation()
                tries += 1
                guard surroundings.now() < giveUpAt else {
                    throw MillraceError(.modelUnavailable, "\(what) could not be fetched for \(Int(patience.seconds)) s: \(error)")
                }
                if tries == 1 { logger.warning("fetching a model broke off; trying again", metadata: ["file": "\(what)", "error": "\(error)"]) }
                try await surroundings.sleep(.backoff(after: tries, upTo: .seconds(5), surroundings))
            }
        }
    }

    private func fault(_ verb: String, _ path: String) -> MillraceError {
        let code = errno
        return MillraceError(code == ENOSPC ? .storageFull : .modelUnavailable, "cannot \(verb) \(path): \(String(cString: strerror(code)))")
    }
}
