import AsyncHTTPClient
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

// Many jobs at once, by what they have in common.

extension MillraceClient {
    /// The newest jobs first.
    /// - Parameter cursor: the `nextCursor` of the page before.
    public func jobs(_ selection: JobSelection, limit: Int? = nil, cursor: String? = nil) async throws -> JobList {
        try await exchange.json(.get("/v1/jobs", query: selection.query + Self.page(limit, cursor)))
    }

    public func count(_ selection: JobSelection) async throws -> Int {
        let count: JobCount = try await exchange.json(.get("/v1/jobs/count", query: selection.query))
        return count.count
    }

    /// Jobs that failed for good, the latest accepted first. The selection names no states.
    public func deadLetters(_ selection: JobSelection, limit: Int? = nil, cursor: String? = nil) async throws -> DeadLetterList {
        try await exchange.json(.get("/v1/dead-letters", query: selection.query + Self.page(limit, cursor)))
    }

    /// Cancels queued and running jobs.
    /// - Returns: how many were changed, and whether to ask again for more.
    public func cancel(_ selection: JobSelection) async throws -> JobsChanged {
        try await change("/v1/jobs/cancel", selection)
    }

    /// Queues jobs again that ended without a result: those that failed, unless the selection names other states.
    /// - Returns: how many were changed, and whether to ask again for more.
    public func redrive(_ selection: JobSelection) async throws -> JobsChanged {
        try await change("/v1/jobs/redrive", selection)
    }

    private func change(_ path: String, _ selection: JobSelection) async throws -> JobsChanged {
        // Not repeated: the count of a second try would be that of what the first one left.
        try await exchange.json(try .json(path, selection, isRepeatable: false))
    }

    private static func page(_ limit: Int?, _ cursor: String?) -> [(String, String)] {
        [limit.map { ("limit", "\($0)") }, cursor.map { ("cursor", $0) }].compactMap { $0 }
    }
}

extension MillraceClient {
    /// Every change of a job's state, the first one first.
    public func history(of id: JobID) async throws -> [JobHistory.Entry] {
        let history: JobHistory = try await exchange.json(.get("/v1/jobs/\(id)/history"))
        return history.history
    }

    public func endpoint(_ name: String) async throws -> EndpointResource {
        try await exchange.json(.get("/v1/endpoints/\(HTTPExchange.escaped(name))"))
    }

    /// Pauses an endpoint (it takes jobs and runs none), drains it (it takes none and runs those it has), or opens it again.
    public func setMode(_ mode: EndpointMode, of endpoint: String, reason: String? = nil) async throws -> EndpointResource {
        let action =
            switch mode {
            case .open: "resume"
            case .paused: "pause"
            case .draining: "drain"
            }
        let path = "/v1/endpoints/\(HTTPExchange.escaped(endpoint))/\(action)"
        return try await exchange.json(try .json(path, EndpointModeRequest(reason: reason)))
    }
}

extension JobSelection {
    fileprivate var query: [(String, String)] {
        [
            endpoint.map { ("endpoint", $0) }, state.map { ("state", $0.map(\.rawValue).joined(separator: ",")) },
            code.map { ("code", $0) }, createdAfter.map { ("createdAfter", $0.description) },
            createdBefore.map { ("createdBefore", $0.description) },
        ].compactMap { $0 }
    }
}

extension HTTPExchange.Request {
    static func json(_ path: String, _ body: some Encodable, isRepeatable: Bool = true) throws -> HTTPExchange.Request {
        let json = try MillraceJSON.encode(body)
        var request = HTTPExchange.Request(.POST, path, isRepeatable: isRepeatable)
        request.headers = [("Content-Type", "application/json")]
        request.body = { .bytes(ByteBuffer(bytes: json)) }
        return request
    }
}
