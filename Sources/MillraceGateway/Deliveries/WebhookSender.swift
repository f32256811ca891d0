import AsyncHTTPClient
import Foundation
import MillraceCore
import NIOCore
import NIOHTTP1
import NIOPosix

/// Brings one message to its receiver and says what came of it.
struct WebhookSender: Sendable {
    static let answerBytesMax = 64 * 1024

    let callbacks: CallbackGuard
    let clients: PinnedClients
    let timeout: Duration
    let surroundings: Surroundings

    func send(_ message: WebhookMessage) async throws -> DeliverySchedule.Answer {
        let target: CallbackGuard.Target
        do {
            target = try await callbacks.target(of: message.url)
        } catch let error as MillraceError {
            return .refused("refused: \(error.message)")
        } catch HostResolver.Failure.unknownHost {
            return .failed("the host does not exist")
        } catch HostResolver.Failure.temporary(let reason) {
            return .failed("the host could not be resolved: \(reason)")
        }
        do {
            return try await clients.with(target) { client in try await withinTimeout { try await post(message, with: client) } }
        } catch let error as CancellationError {
            throw error
        } catch let error as HTTPClientError where error == .cancelled {
            throw CancellationError()
        } catch {
            return .failed(Self.words(for: error))
        }
    }

    /// The client's own timeout ends with the answer's head; a receiver could send its body for ever.
    private func withinTimeout(
        _ operation: @escaping @Sendable () async throws -> DeliverySchedule.Answer
    ) async throws -> DeliverySchedule.Answer {
        try await withThrowingTaskGroup(of: DeliverySchedule.Answer.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await operation() }
            group.addTask {
                try await surroundings.sleep(timeout)
                return .failed("the receiver took too long")
            }
            return try await group.next() ?? .failed("the receiver took too long")
        }
    }

    private func post(_ message: WebhookMessage, with client: HTTPClient) async throws -> DeliverySchedule.Answer {
        var request = HTTPClientRequest(url: message.url)
        request.method = .POST
        for (name, value) in message.headers { request.headers.add(name: name, value: value) }
        request.body = .bytes(ByteBuffer(bytes: message.body))
        let response = try await client.execute(request, timeout: .milliseconds(timeout.milliseconds))
        // Read so that the connection can be used again, but not without end. What is in it does not matter.
        _ = try? await response.body.collect(upTo: Self.answerBytesMax)
        let retryAfter = response.headers.first(name: "retry-after").flatMap { Self.retryAfter($0, at: surroundings.now()) }
        return .status(Int(response.status.code), retryAfter: retryAfter)
    }

    /// `Retry-After` (RFC 9110, 10.2.3): seconds or a date.
    static func retryAfter(_ header: String, at now: Timestamp) -> Duration? {
        let header = header.trimmingCharacters(in: .whitespaces)
        if let seconds = Int64(header) { return (0..<1_000_000_000).contains(seconds) ? .seconds(seconds) : nil }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return formatter.date(from: header).map { max(.zero, Timestamp(milliseconds: Int64($0.timeIntervalSince1970 * 1000)).since(now)) }
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout || error == .readTimeout:
            "the receiver took too long"
        case let error as HTTPClientError: "the request failed: \(error.shortDescription)"
        case is NIOConnectionError: "no connection to the receiver"
        default: "the request failed: \(type(of: error))"
        }
    }
}
