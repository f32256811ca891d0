import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire

/// Reading and steering jobs.
struct JobRoutes: Sendable {
    let queue: JobQueue
    let surroundings: Surroundings
    let waitMax: Duration

    func add(to doors: inout Doors) {
        doors.get("/v1/jobs") { try await list($0, $1) }
        doors.get("/v1/jobs/:job") { try await show($0, $1) }
        doors.get("/v1/jobs/:job/logs") { try await logs($0, $1) }
        doors.get("/v1/jobs/:job/deliveries") { try await deliveries($0, $1) }
        doors.post("/v1/jobs/:job/cancel") { try await cancel($0, $1) }
        doors.post("/v1/jobs/:job/retry") { try await retry($0, $1) }
    }

    /// The job that the path names.
    /// - Throws: `job_unknown` when there is none, also when it is another tenant's.
    func job(_ context: GatewayContext) async throws -> Job {
        let text = try context.parameters.require("job")
        guard let id = JobID(text), let job = try await queue.job(id), job.tenant == context.principal.tenant else {
            throw MillraceError(.jobUnknown, "there is no job \(text.prefix(64))", hint: "finished jobs are removed after their endpoint's retention")
        }
        return job
    }

    /// Waits until the job has ended; when the client or the gateway goes first, it is given as it is.
    func wait(for job: Job, atMost limit: Duration, _ context: GatewayContext) async throws -> Job {
        guard !job.state.isFinal, limit > .zero else { return job }
        let waited = try await context.waiting { try await queue.wait(for: job.id, untilFinalOr: limit) }
        if let waited = waited.flatMap(\.self) { return waited }
        return try await queue.job(job.id) ?? job
    }

    private func show(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(only: "wait")
        var job = try await job(context)
        let preferred = Preference.wait(in: request.headers, limit: waitMax)
        if let wait = try query.integer("wait", in: 0...86_400).map({ min(.seconds($0), waitMax) }) ?? preferred {
            job = try await self.wait(for: job, atMost: wait, context)
        }
        return try .json(JobResource(job, now: surroundings.now()))
    }

    private func list(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(only: "endpoint", "state", "limit", "cursor")
        let limit = try query.integer("limit", in: 1...200) ?? 50
        let cursor = try query["cursor"].map { text in
            guard let id = JobID(text) else { throw MillraceError(.malformedRequest, "\"cursor\" is not one that a list gave") }
            return id
        }
        let filter = JobFilter(
            tenant: context.principal.tenant, endpoint: query["endpoint"], states: try query["state"].map(Self.states))
        let found = try await queue.jobs(matching: filter, after: cursor, limit: limit + 1)
        let now = surroundings.now()
        let page = found.prefix(limit)
        return try .json(
            JobList(jobs: page.map { JobResource($0, now: now) }, nextCursor: found.count > limit ? page.last?.id.description : nil))
    }

    private static func states(_ text: String) throws -> Set<JobState> {
        let names = JobState.allCases.map(\.rawValue)
        let wanted = text.split(separator: ",")
        guard !wanted.isEmpty else {
            throw MillraceError(.malformedRequest, "\"state\" names no state", hint: "states: \(names.joined(separator: ", "))")
        }
        return try Set(
            wanted.map { name in
                guard let state = JobState(rawValue: String(name)) else {
                    let near = Spelling.nearest(to: String(name), in: names)
                    throw MillraceError(
                        .malformedRequest, "\"\(name)\" is no state of a job",
                        hint: near.map { "did you mean \"\($0)\"?" } ?? "states: \(names.joined(separator: ", "))")
                }
                return state
            })
    }

    private func cancel(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let job = try await job(context)
        return try .json(JobResource(try await queue.cancel(job.id) ?? job, now: surroundings.now()))
    }

    private func retry(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let job = try await job(context)
        return try .json(JobResource(try await queue.retry(job.id) ?? job, now: surroundings.now()), status: .accepted)
    }

    private func logs(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let job = try await job(context)
        var lines: [LogList.Line] = []
        var after: Int64 = 0
        while true {
            let events = try await queue.events(of: job.id, after: after, limit: 500)
            for event in events {
                guard case .log(let line) = event.detail else { continue }
                lines.append(.init(sequence: event.sequence, at: event.at, level: line.level, message: line.message))
            }
            guard events.count == 500, let last = events.last else { break }
            after = last.sequence
        }
        return try .json(LogList(lines: lines))
    }

    private func deliveries(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let job = try await job(context)
        return try .json(DeliveryList(deliveries: try await queue.deliveries(of: job.id).map(DeliveryResource.init)))
    }
}

extension DeliveryResource {
    init(_ delivery: Delivery) {
        self.init(
            id: delivery.id, event: delivery.event, url: delivery.url, state: delivery.state.rawValue,
            createdAt: delivery.createdAt, dueAt: delivery.state == .pending ? delivery.dueAt : nil,
            attempts: delivery.attempts.map { .init(at: $0.at, status: $0.status, error: $0.error, delivered: $0.delivered) })
    }
}
