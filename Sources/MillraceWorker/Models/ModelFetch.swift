import AsyncHTTPClient
import Foundation
import MillraceCloud
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

/// Fetches models from a gateway with a worker's key.
struct ModelFetch: Sendable {
    let client: HTTPClient
    /// The gateway's address, without a slash at its end.
    let base: String
    let key: String
    let repetition: Repetition

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
        var part = try PartFile(path)
        for _ in 0..<Repetition.spoiledMax {
            while try await !repeating(file.path, { try await fetchRest(of: file, of: version, into: &part) }) {}
            if try part.finish() == file.sha256 { return }
            try part.restart()
        }
        throw MillraceError(
            .modelUnavailable, "\(file.path) does not have the digest that the gateway named", hint: "has the model's folder changed under the server? start it again")
    }

    /// - Returns: whether all is there. What brought some bytes before it broke off is no failure, however often it happens.
    private func fetchRest(of file: ModelListing.File, of version: String, into part: inout PartFile) async throws -> Bool {
        if part.bytes > file.bytes { try part.restart() }
        let start = part.bytes
        guard start < file.bytes else { return true }
        do {
            let response = try await send("/v1/worker/models/\(version)/files/\(file.sha256)", from: start)
            if response.status != .partialContent { try part.restart() }
            for try await buffer in response.body {
                try part.append(Data(buffer.readableBytesView))
                // More than there should be: it is not the file, and its digest will say so.
                if part.bytes > file.bytes { return true }
            }
            guard part.bytes == file.bytes else { throw Repetition.Unanswered(description: "the answer ended before the file did") }
        } catch where part.bytes > start && !Self.isFinal(error) && !Task.isCancelled {
            return false
        }
        return true
    }

    private func send(_ path: String, from offset: Int64) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: base + path)
        request.headers.add(name: "authorization", value: "Bearer \(key)")
        if offset > 0 { request.headers.add(name: "range", value: "bytes=\(offset)-") }
        let response = try await client.execute(request, deadline: .distantFuture)
        guard response.status.code >= 300 else { return response }
        let body = try? await response.body.collect(upTo: 1 << 16)
        let problem = body.flatMap { try? MillraceJSON.decode(ProblemDetails.self, bytes: $0.readableBytesView) }
        guard response.status.code < 500, response.status != .tooManyRequests else {
            throw Repetition.Unanswered(description: "the gateway answered with \(response.status)")
        }
        throw MillraceError(
            .modelUnavailable, "fetching a model was answered with \(response.status)\(problem.map { ": \($0.detail)" } ?? "")", hint: problem?.hint)
    }

    private static func isFinal(_ error: any Error) -> Bool { error is MillraceError || error is CocoaError || error is DecodingError }

    private func repeating<Value>(_ what: String, _ body: () async throws -> Value) async throws -> Value {
        try await repetition(
            "fetching \(what)", unless: Self.isFinal,
            giveUp: { MillraceError(.modelUnavailable, "\(what) could not be fetched for \(Int(repetition.patience.seconds)) s: \($0)") }, body)
    }
}

/// A file that comes piece by piece, and is hashed as it does. What an earlier process left of it is read once.
private struct PartFile {
    private let handle: FileHandle
    private var digest = RunningDigest()

    init(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw ModelCache.fault("create", path) }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty { digest.add(chunk) }
    }

    var bytes: Int64 { digest.bytes }

    mutating func append(_ chunk: Data) throws {
        try handle.write(contentsOf: chunk)
        digest.add(chunk)
    }

    mutating func restart() throws {
        try handle.truncate(atOffset: 0)
        digest = RunningDigest()
    }

    /// Makes it last.
    /// - Returns: SHA-256 of all of it.
    func finish() throws -> String {
        try handle.synchronize()
        return digest.finish().sha256
    }
}
