import AsyncHTTPClient
import MillraceCore
import NIOCore
import NIOHTTP1

/// Asks a model server whether it is ready.
struct ServerProbe: Sendable {
    enum Answer: Equatable, Sendable {
        case ready
        /// And why.
        case notReady(String)
    }

    let client: HTTPClient
    let dialect: ServerDialect
    let limit: Duration

    /// - Throws: `CancellationError` alone.
    func ask(_ url: String) async throws -> Answer {
        for path in dialect.probes {
            do {
                let response = try await client.execute(HTTPClientRequest(url: url + path), timeout: .milliseconds(limit.milliseconds))
                // Nobody wants the body; a short one is read, so that its connection can be used again.
                _ = try? await response.body.collect(upTo: 4096)
                guard (200..<300).contains(response.status.code) else {
                    return .notReady("GET \(path) was answered with \(response.status.code)")
                }
            } catch {
                try Task.checkCancellation()
                return .notReady("GET \(path): \(ConnectionFault(error).reason)")
            }
        }
        return .ready
    }
}
