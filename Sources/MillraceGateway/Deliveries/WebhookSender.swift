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
            return try await clients.with(target) { try await post(message, with: $0) }
        } catch let error as CancellationError {
            throw error
        } catch let error as HTTPClientError where error == .cancelled {
            throw CancellationError()
        } catch {
            return .failed(Self.words(for: error))
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
        let retryAfter = response.headers.first(name: "retry-after").flatMap { Self.retryAfter($0) }
        return .status(Int(response.status.code), retryAfter: retryAfter)
    }

    /// Seconds; the form with a date is left to the schedule.
    static func retryAfter(_ header: String) -> Duration? {
        Int64(header.trimmingCharacters(in: .whitespaces)).flatMap { $0 >= 0 && $0 < 1_000_000_000 ? .seconds($0) : nil }
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
