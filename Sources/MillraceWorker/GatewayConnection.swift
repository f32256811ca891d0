import AsyncHTTPClient
import Foundation
import Logging
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

/// A worker's way to its gateway: one call per message of the worker protocol, repeated while the gateway cannot be reached.
///
/// Every call is safe to repeat, so an answer that got lost costs a repetition and nothing else.
struct GatewayConnection: Sendable {
    /// Where the gateway listens for workers.
    enum Address: Sendable {
        case unixSocket(String)
        /// With a worker's key; an address without a slash at its end.
        case url(String, key: String)
    }

    private let client: HTTPClient
    private let base: String
    private let headers: HTTPHeaders
    private let surroundings: Surroundings
    private let logger: Logger

    init(_ address: Address, client: HTTPClient, surroundings: Surroundings, logger: Logger) {
        self.client = client
        self.surroundings = surroundings
        self.logger = logger
        switch address {
        case .unixSocket(let path):
            base = "http+unix://" + path.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
            headers = ["content-type": "application/json"]
        case .url(let url, let key):
            base = url
            headers = ["content-type": "application/json", "authorization": "Bearer \(key)"]
        }
    }

    /// Repeats what could not be answered. What is refused because the disk is full is repeated until it is not.
    ///
    /// - Parameter patience: how long to repeat a call that finds no gateway before giving up.
    func call<Request: Encodable & Sendable, Response: Decodable & Sendable>(
        _ path: String, _ message: Request, timeout: Duration = .seconds(30), patience: Duration, as type: Response.Type = Response.self
    ) async throws -> Response {
        try await call(path, timeout: timeout, patience: patience) { message }
    }

    /// - Parameter makeMessage: makes the message anew for each try.
    func call<Request: Encodable & Sendable, Response: Decodable & Sendable>(
        _ path: String, timeout: Duration = .seconds(30), patience: Duration, makeMessage: @Sendable () -> Request
    ) async throws -> Response {
        let giveUpAt = surroundings.now() + patience
        var tries = 0
        while true {
            do {
                return try await callOnce(path, makeMessage(), timeout: timeout)
            } catch let problem as ProblemDetails where problem.code == ErrorCode.storageFull.rawValue {
                // The gateway is there and cannot write just now. It will, when there is room: giving up would cost results
                // that are there already, and workers that are needed then.
                if tries == 0 { logger.warning("the gateway's disk is full; waiting for room", metadata: ["call": "\(path)"]) }
                tries += 1
                try await surroundings.sleep(.seconds(1))
            } catch let problem as ProblemDetails where problem.status < 500 {
                throw MillraceError(ErrorCode(rawValue: problem.code), problem.detail, hint: problem.hint)
            } catch {
                try Task.checkCancellation()
                tries += 1
                guard surroundings.now() < giveUpAt else {
                    throw MillraceError(.unavailable, "the gateway could not be reached for \(Int(patience.seconds)) s: \(error)")
                }
                if tries == 1 { logger.warning("gateway not reached; trying again", metadata: ["call": "\(path)", "error": "\(error)"]) }
                try await surroundings.sleep(min(.milliseconds(50) * (1 << min(tries, 5)), .seconds(1)))
            }
        }
    }

    private func callOnce<Request: Encodable, Response: Decodable>(
        _ path: String, _ message: Request, timeout: Duration
    ) async throws -> Response {
        let request = try HTTPClient.Request(
            url: base + path, method: .POST, headers: headers,
            body: .byteBuffer(ByteBuffer(bytes: try MillraceJSON.bytes(of: message))))
        let task = client.execute(
            request: request, delegate: ResponseAccumulator(request: request, maxBodySize: 64 << 20), deadline: .now() + .milliseconds(timeout.milliseconds))
        let response = try await withTaskCancellationHandler {
            try await task.get()
        } onCancel: {
            task.cancel()
        }
        let body = response.body ?? ByteBuffer()
        guard response.status.code < 300 else {
            throw (try? MillraceJSON.decode(ProblemDetails.self, bytes: body.readableBytesView))
                ?? ProblemDetails(
                    status: Int(response.status.code), title: response.status.reasonPhrase, code: ErrorCode.internal.rawValue,
                    detail: "the gateway answered \(response.status)")
        }
        // A call that has nothing to say is answered with 204 and no body.
        return try body.readableBytes == 0 ? MillraceJSON.decode(from: "{}") : MillraceJSON.decode(bytes: body.readableBytesView)
    }
}

/// The answer to calls that have nothing to say.
struct EmptyResponse: Codable, Sendable {}
