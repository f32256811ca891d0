import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire

/// Reading and steering jobs.
struct JobRoutes: Sendable {
    let queue: JobQueue
    let accounts: ScalingAccounts
    let surroundings: Surroundings
    let waitMax: Duration

    func add(to doors: inout Doors) {
        doors.get("/v1/jobs") { try await list($0, $1) }
        doors.get("/v1/jobs/:job") { try await show($0, $1) }
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
        var resource = JobResource(job, now: surroundings.now())
        resource.queue = try await standing(of: job)
        resource.coldStart = try await accounts.coldStart(of: job)
        resource.cost = try await accounts.cost(of: job)
        return try .json(resource)
    }

    /// Where a queued job stands; nothing starts while its endpoint is paused.
    private func standing(of job: Job) async throws -> JobResource.Queue? {
        guard job.state == .queued, let standing = try await queue.standing(of: job.id) else { return nil }
        let isPaused = try await queue.modes().contains { $0.endpoint == job.endpoint && $0.mode == .paused }
        return JobResource.Queue(
            ahead: standing.ahead, aheadIsAtLeast: standing.ahead >= JobQueue.aheadCountMax ? true : nil,
            estimatedStart: isPaused ? nil : standing.estimatedStart)
    }

    private func list(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(JobSelection.queryKeys + JobPage.queryKeys)
        let page = try await JobPage(query).read(try JobSelection(query).filter(tenant: context.principal.tenant), from: queue)
        let now = surroundings.now()
        return try .json(JobList(jobs: page.jobs.map { JobResource($0, now: now) }, nextCursor: page.nextCursor))
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
