import AsyncHTTPClient
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

/// An agent's way to its gateway: one report, one answer.
struct AgentConnection: Sendable {
    let client: HTTPClient
    let base: String

    /// - Throws: what the gateway refuses, as it says it; anything else when it was not reached.
    func tell(_ report: MachineReport, key: String) async throws -> MachineOrders {
        var request = HTTPClientRequest(url: base + "/v1/worker/machine")
        request.method = .POST
        request.headers = ["content-type": "application/json", "authorization": "Bearer \(key)"]
        request.body = .bytes(ByteBuffer(bytes: try MillraceJSON.bytes(of: report)))
        let response = try await client.execute(request, timeout: .seconds(Int64(report.waitSeconds) + 15))
        let body = try await response.body.collect(upTo: 16 << 20)
        guard response.status.code < 300 else {
            let problem = try? MillraceJSON.decode(ProblemDetails.self, bytes: body.readableBytesView)
            throw MillraceError(
                problem.map { ErrorCode(rawValue: $0.code) } ?? (response.status == .notFound ? .notFound : .unavailable), problem?.detail ?? "the gateway answered \(response.status)",
                hint: problem?.hint)
        }
        return try MillraceJSON.decode(MachineOrders.self, bytes: body.readableBytesView)
    }
}
