import AsyncHTTPClient
import MillraceCore
import MillraceWire
import NIOHTTP1

/// A client of Millrace's HTTP API.
///
/// ```swift
/// let millrace = MillraceClient(baseURL: "http://127.0.0.1:8080", apiKey: key)
/// let job = try await millrace.submit(.init(files: ["report.pdf"]), to: "ocr")
/// let done = try await millrace.wait(for: job.id)
/// let text = try await millrace.result(of: done.id).bytes(atMost: 1_000_000)
/// ```
///
/// Whatever can be repeated without harm is repeated when a connection breaks: questions, cancellations, and submissions,
/// which carry an `Idempotency-Key` so that two arrivals are one job.
///
/// - Throws: every call throws ``ProblemDetails`` for what the server refuses, ``MillraceClientError`` for what is
///   between here and there, and `CancellationError`.
public struct MillraceClient: Sendable {
    let exchange: HTTPExchange
    let surroundings: Surroundings

    /// - Parameters:
    ///   - baseURL: where the server is: `http://127.0.0.1:8080`, or a Unix socket as `http+unix://%2Frun%2Fmillrace.sock`.
    ///   - apiKey: sent as a bearer token; `nil` for a server without keys.
    ///   - http: `nil`: one client for the whole process, which gives up at once when nobody listens.
    public init(baseURL: String, apiKey: String? = nil, http: HTTPClient? = nil, surroundings: Surroundings = .system) {
        self.surroundings = surroundings
        exchange = HTTPExchange(
            http: http ?? HTTPExchange.shared, server: String(baseURL.trimmingSuffix(while: { $0 == "/" })), key: apiKey,
            surroundings: surroundings)
    }

    // MARK: Jobs

    public func job(_ id: JobID) async throws -> JobResource {
        try await exchange.json(.get("/v1/jobs/\(id)"))
    }

    /// Waits until the job has ended, however it ended.
    /// - Parameter limit: how long at most, then the job is given as it stands; `nil`: as long as it takes.
    public func wait(for id: JobID, upTo limit: Duration? = nil) async throws -> JobResource {
        let start = surroundings.now()
        while true {
            let rest = limit.map { $0 - surroundings.now().since(start) } ?? Self.waitOnce
            let seconds = Int(min(max(rest, .zero), Self.waitOnce).seconds.rounded(.up))
            let job: JobResource = try await exchange.json(.get("/v1/jobs/\(id)", query: [("wait", "\(seconds)")]))
            if job.state.isFinal || rest <= .zero { return job }
        }
    }

    /// A wait in one request, short enough for the proxies in between.
    static let waitOnce = Duration.seconds(20)

    /// The newest jobs first.
    /// - Parameter cursor: the `nextCursor` of the page before.
    public func jobs(
        endpoint: String? = nil, states: [JobState] = [], limit: Int? = nil, cursor: String? = nil
    ) async throws -> JobList {
        try await jobs(JobSelection(endpoint: endpoint, state: states.isEmpty ? nil : states), limit: limit, cursor: cursor)
    }

    public func logs(of id: JobID) async throws -> [LogList.Line] {
        let list: LogList = try await exchange.json(.get("/v1/jobs/\(id)/logs"))
        return list.lines
    }

    /// Asks for the job to be stopped; a running one stops a little later.
    public func cancel(_ id: JobID) async throws -> JobResource {
        try await exchange.json(HTTPExchange.Request(.POST, "/v1/jobs/\(id)/cancel"))
    }

    /// Puts a job that ended without a result back into the queue.
    public func retry(_ id: JobID) async throws -> JobResource {
        // Not repeated: when the answer got lost, a second try would find the job queued and call it a conflict.
        try await exchange.json(HTTPExchange.Request(.POST, "/v1/jobs/\(id)/retry", isRepeatable: false))
    }

    // MARK: The installation

    public func endpoints() async throws -> [EndpointResource] {
        let list: EndpointList = try await exchange.json(.get("/v1/endpoints"))
        return list.endpoints
    }

    public func workers() async throws -> [WorkerResource] {
        let list: WorkerList = try await exchange.json(.get("/v1/workers"))
        return list.workers
    }

    // MARK: Scaling

    /// How each fleet stands.
    public func fleets() async throws -> FleetList {
        try await exchange.json(.get("/v1/scaling"))
    }

    /// What was decided and why, the latest first.
    /// - Parameter cursor: the `nextCursor` of the page before.
    public func scalingDecisions(of endpoint: String? = nil, limit: Int? = nil, cursor: String? = nil) async throws -> ScalingRecordList {
        var query = endpoint.map { [("endpoint", $0)] } ?? []
        if let limit { query.append(("limit", "\(limit)")) }
        if let cursor { query.append(("cursor", cursor)) }
        return try await exchange.json(.get("/v1/scaling/decisions", query: query))
    }

    /// How workers started, those heard of last first.
    public func coldStarts(of endpoint: String? = nil, limit: Int? = nil) async throws -> [ColdStartResource] {
        let query = (endpoint.map { [("endpoint", $0)] } ?? []) + (limit.map { [("limit", "\($0)")] } ?? [])
        let list: ColdStartList = try await exchange.json(.get("/v1/scaling/starts", query: query))
        return list.starts
    }

    /// What workers used and cost by endpoint and day; the last seven days unless told otherwise.
    public func cost(of endpoint: String? = nil, from: Day? = nil, to: Day? = nil) async throws -> CostReport {
        var query = endpoint.map { [("endpoint", $0)] } ?? []
        if let from { query.append(("from", from.description)) }
        if let to { query.append(("to", to.description)) }
        return try await exchange.json(.get("/v1/scaling/cost", query: query))
    }

    /// Version, counts and effective settings, as the server shows them.
    public func health() async throws -> JSONValue {
        try await exchange.json(.get("/health"))
    }
}

extension StringProtocol {
    func trimmingSuffix(while predicate: (Character) -> Bool) -> SubSequence {
        var rest = self[...]
        while let last = rest.last, predicate(last) { rest.removeLast() }
        return rest
    }
}
