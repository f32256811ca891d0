import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire

/// What happened to a job: `GET /v1/jobs/{id}/history` and `/logs`.
struct HistoryRoutes: Sendable {
    let queue: JobQueue
    let jobs: JobRoutes

    private static let pageMax = 500

    func add(to doors: inout Doors) {
        doors.get("/v1/jobs/:job/history") { try await history($0, $1) }
        doors.get("/v1/jobs/:job/logs") { try await logs($0, $1) }
    }

    private func history(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        var entries: [JobHistory.Entry] = []
        try await forEachEvent(of: try await jobs.job(context)) { event in
            guard case .state(let change) = event.detail else { return }
            entries.append(.init(sequence: event.sequence, at: event.at, change))
        }
        return try .json(JobHistory(history: entries))
    }

    private func logs(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        var lines: [LogList.Line] = []
        try await forEachEvent(of: try await jobs.job(context)) { event in
            guard case .log(let line) = event.detail else { return }
            lines.append(.init(sequence: event.sequence, at: event.at, level: line.level, message: line.message))
        }
        return try .json(LogList(lines: lines))
    }

    private func forEachEvent(of job: Job, _ body: (JobEvent) -> Void) async throws {
        var after: Int64 = 0
        while true {
            let events = try await queue.events(of: job.id, after: after, limit: Self.pageMax)
            events.forEach(body)
            guard events.count == Self.pageMax, let last = events.last else { return }
            after = last.sequence
        }
    }
}
