import AsyncHTTPClient
import Foundation
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

/// An output of a job on its way here: read it once, as bytes or into a file.
public struct JobResult: Sendable, AsyncSequence {
    public typealias Element = [UInt8]

    public let mediaType: String
    /// What the server suggests to call it.
    public let filename: String?
    /// `nil`: the server does not say.
    public let bytesTotal: Int64?
    private let response: HTTPClientResponse
    private let exchange: HTTPExchange

    init(_ response: HTTPClientResponse, exchange: HTTPExchange) {
        self.response = response
        self.exchange = exchange
        mediaType = response.headers.first(name: "Content-Type") ?? "application/octet-stream"
        filename = response.headers.first(name: "Content-Disposition").flatMap(Self.filename)
        bytesTotal = response.headers.first(name: "Content-Length").flatMap { Int64($0) }
    }

    /// - Throws: ``ProblemDetails`` `too_large` when there is more.
    public func bytes(atMost bytesMax: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in self {
            guard bytes.count + chunk.count <= bytesMax else {
                throw ProblemDetails(status: 413, title: "Too Large", code: "too_large", detail: "the result has more than \(bytesMax) bytes")
            }
            bytes += chunk
        }
        return bytes
    }

    /// Writes the output to a file, which is there in full or not at all.
    /// - Returns: its bytes.
    @discardableResult
    public func write(to path: String, progress: (@Sendable (Int64) -> Void)? = nil) async throws -> Int64 {
        let temporary = "\(path).part-\(exchange.surroundings.makeID(BlobKind.self))"
        let file = try await LocalFile.create(temporary)
        do {
            var written: Int64 = 0
            for try await chunk in self {
                try await file.append(chunk)
                written += Int64(chunk.count)
                progress?(written)
            }
            try await LocalFile.rename(temporary, to: path)
            return written
        } catch {
            try? await LocalFile.remove(temporary)
            throw error
        }
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(body: response.body.makeAsyncIterator(), rest: bytesTotal, exchange: exchange)
    }

    public struct Iterator: AsyncIteratorProtocol {
        var body: HTTPClientResponse.Body.AsyncIterator
        var rest: Int64?
        let exchange: HTTPExchange

        public mutating func next() async throws -> [UInt8]? {
            do {
                guard let buffer = try await body.next() else {
                    guard rest ?? 0 == 0 else {
                        throw MillraceClientError.connectionLost(server: exchange.server, reason: "the result ended too early")
                    }
                    return nil
                }
                rest = rest.map { $0 - Int64(buffer.readableBytes) }
                return Array(buffer.readableBytesView)
            } catch {
                throw exchange.fault(error)
            }
        }
    }

    /// The last component of the plain `filename` (RFC 6266).
    ///
    /// Read scalar by scalar: a combining mark behind a slash or a quote would make another character of it.
    static func filename(_ disposition: String) -> String? {
        guard let start = disposition.range(of: "filename=\"", options: .literal)?.upperBound else { return nil }
        let rest = disposition.unicodeScalars[start...]
        guard let end = rest.firstIndex(of: "\"") else { return nil }
        let name = rest[..<end].split(separator: "/").last.map { String($0) }
        return name == "." || name == ".." ? nil : name
    }
}

extension MillraceClient {
    /// Opens an output of a job that succeeded.
    /// - Parameter name: `nil`: the first output, which is the result proper.
    /// - Throws: ``ProblemDetails`` `result_not_ready`, or the job's own error code when it failed.
    public func result(of id: JobID, name: String? = nil) async throws -> JobResult {
        let path = "/v1/jobs/\(id)/result" + (name.map { "/" + HTTPExchange.escaped($0) } ?? "")
        return JobResult(try await exchange.answer(to: .get(path)), exchange: exchange)
    }
}
