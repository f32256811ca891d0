import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire
import NIOCore

/// Health, metrics and the front page.
///
/// `/healthz` and `/readyz` are for load balancers and open to all. `/health` and `/metrics` show how the installation is
/// used and set, so they need a key where keys are asked for.
struct StatusRoutes: Sendable {
    let queue: JobQueue
    let overview: Overview
    let version: String
    let effectiveSettings: JSONValue
    let prometheus: PrometheusMetrics?
    let startedAt: Timestamp
    let surroundings: Surroundings
    let acceptance: Acceptance

    func add(to doors: inout Doors) {
        func get(_ path: String, _ lock: Doors.Lock = .key, _ handler: @escaping @Sendable (GatewayContext) async throws -> Response) {
            doors.get(path, lock) { request, context in
                try QueryItems(request).allow()
                return try await handler(context)
            }
        }
        get("/", .open) { _ in
            try .json(["name": "millrace", "version": version, "api": "/v1/endpoints", "health": "/healthz"])
        }
        get("/healthz", .open) { _ in try .json(["status": "ok"]) }
        get("/readyz", .open) { _ in try await ready() }
        get("/health") { _ in try await health() }
        get("/metrics") { _ in try await metrics() }
        get("/v1/workers") { _ in try .json(WorkerList(workers: try await overview.workers())) }
    }

    private func ready() async throws -> Response {
        guard acceptance.isOpen else { throw MillraceError(.unavailable, "the gateway is stopping") }
        guard try await ping() != nil else { throw MillraceError(.unavailable, "the store does not answer") }
        return try .json(["status": "ready"])
    }

    /// How long the store took to answer; `nil` when it does not within 2 seconds.
    private func ping() async throws -> Duration? {
        let start = surroundings.now()
        let answered = await withTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask { (try? await queue.backlog()) != nil }
            group.addTask {
                try? await surroundings.sleep(.seconds(2))
                return false
            }
            return await group.next() ?? false
        }
        return answered ? surroundings.now().since(start) : nil
    }

    private func health() async throws -> Response {
        let ping = try await ping()
        let endpoints = ping == nil ? [] : try await overview.endpoints()
        let counts = endpoints.map { endpoint -> (String, JSONValue) in
            (endpoint.name, ["mode": .string(endpoint.mode.rawValue), "queued": .integer(Int64(endpoint.queued)), "running": .integer(Int64(endpoint.running)), "workers": .integer(Int64(endpoint.workers))])
        }
        let body: JSONValue = [
            "status": ping == nil ? "store unavailable" : "ok", "version": .string(version),
            "startedAt": .string(startedAt.description),
            "uptimeSeconds": .number(surroundings.now().since(startedAt).seconds),
            "store": ["answers": .bool(ping != nil), "pingSeconds": ping.map { .number($0.seconds) } ?? .null],
            "endpoints": .object(Dictionary(counts, uniquingKeysWith: { first, _ in first })),
            "settings": effectiveSettings,
        ]
        return try .json(body, status: ping == nil ? .serviceUnavailable : .ok)
    }

    private func metrics() async throws -> Response {
        let gauges = try await overview.exposition(version: version, uptime: surroundings.now().since(startedAt), at: surroundings.now())
        let text = gauges + (prometheus?.exposition(without: Overview.gauges) ?? "")
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"], body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
