import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire
import ServiceLifecycle

/// Counting, cancelling and sending round again what a filter names, and the dead letters.
struct ManyJobsRoutes: Sendable {
    let queue: JobQueue
    let surroundings: Surroundings

    /// Jobs changed in one commit; others are served in between.
    static let stepMax = 500
    /// After this the answer says that there is more: a client does not wait for ever.
    static let timeMax: Duration = .seconds(20)
    static let bodyBytesMax = 64 << 10

    func add(to doors: inout Doors) {
        doors.get("/v1/jobs/count") { try await count($0, $1) }
        doors.post("/v1/jobs/cancel") { try await cancel($0, $1) }
        doors.post("/v1/jobs/redrive") { try await redrive($0, $1) }
        doors.get("/v1/dead-letters") { try await deadLetters($0, $1) }
    }

    private func count(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(JobSelection.queryKeys)
        return try .json(JobCount(count: try await queue.count(matching: try JobSelection(query).filter(tenant: context.principal.tenant))))
    }

    private func deadLetters(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(JobSelection.queryKeys.filter { $0 != "state" } + JobPage.queryKeys)
        var filter = try JobSelection(query).filter(tenant: context.principal.tenant)
        filter.states = [.failed]
        let page = try await JobPage(query).read(filter, from: queue)
        let now = surroundings.now()
        return try .json(
            DeadLetterList(
                jobs: page.jobs.map { JobResource($0, now: now) },
                codes: page.jobs.reduce(into: [:]) { $0[$1.failure?.code ?? "unknown", default: 0] += 1 }, nextCursor: page.nextCursor))
    }

    private func cancel(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let selection = try await JobSelection(request, bytesMax: Self.bodyBytesMax).checked(for: .living, "cancelled")
        let filter = selection.filter(tenant: context.principal.tenant).limited(to: .living)
        return try await change(filter, context) { try await queue.cancel(matching: filter, limit: $0) }
    }

    private func redrive(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let selection = try await JobSelection(request, bytesMax: Self.bodyBytesMax).checked(for: .retriable, "redriven")
        let filter = selection.filter(tenant: context.principal.tenant).redriving
        return try await change(filter, context) { try await queue.redrive(matching: filter, limit: $0) }
    }

    /// Changes in steps until none is left; no more than there were at first, or jobs that fail again at once would go round for ever.
    private func change(_ filter: JobFilter, _ context: GatewayContext, _ step: (_ limit: Int) async throws -> Int) async throws -> Response {
        let start = surroundings.now()
        let total = try await queue.count(matching: filter)
        var changed = 0
        while changed < total {
            let limit = min(Self.stepMax, total - changed)
            let count = try await step(limit)
            changed += count
            guard count == limit else { break }
            let isLong = surroundings.now().since(start) > Self.timeMax || Task.isShuttingDownGracefully
            let isGone = try await context.hasHungUp()
            guard !isLong, !isGone else { return try .json(JobsChanged(changed: changed, more: changed < total ? true : nil)) }
        }
        return try .json(JobsChanged(changed: changed))
    }
}
