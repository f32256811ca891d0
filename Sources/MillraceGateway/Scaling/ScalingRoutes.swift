import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire

/// `/v1/scaling`: how fleets stand, what was decided and why, how workers started, and what all of it costs.
struct ScalingRoutes: Sendable {
    let queue: JobQueue
    let accounts: ScalingAccounts
    let directory: EndpointDirectory
    let surroundings: Surroundings

    /// Days in one report.
    private static let daysMax = 400

    func add(to doors: inout Doors) {
        doors.get("/v1/scaling") { request, _ in
            try QueryItems(request).allow()
            return try .json(try await accounts.fleets())
        }
        doors.get("/v1/scaling/decisions") { request, _ in try await decisions(request) }
        doors.get("/v1/scaling/starts") { request, _ in try await starts(request) }
        doors.get("/v1/scaling/cost") { request, _ in try await cost(request) }
    }

    private func decisions(_ request: Request) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(only: "endpoint", "limit", "cursor")
        let limit = try query.integer("limit", in: 1...200) ?? 50
        let cursor = try query["cursor"].map { text in
            guard let cursor = Int64(text), cursor > 0 else { throw MillraceError(.malformedRequest, "\"cursor\" is not one that a list gave") }
            return cursor
        }
        let found = try await queue.decisions(of: try await endpoint(query), before: cursor, limit: limit + 1)
        let page = Array(found.prefix(limit))
        return try .json(ScalingRecordList(decisions: page, nextCursor: found.count > limit ? page.last.map { "\($0.sequence)" } : nil))
    }

    private func starts(_ request: Request) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(only: "endpoint", "limit")
        let starts = try await queue.coldStarts(of: try await endpoint(query), limit: try query.integer("limit", in: 1...200) ?? 50)
        return try .json(ColdStartList(starts: starts.map(ColdStartResource.init)))
    }

    private func cost(_ request: Request) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(only: "endpoint", "from", "to")
        let to = try day("to", query) ?? Day(of: surroundings.now())
        let from = try day("from", query) ?? Day(number: to.number - 6)
        guard from <= to, to.number - from.number < Int64(Self.daysMax) else {
            throw MillraceError(.malformedRequest, "\"from\" and \"to\" are days in order, at most \(Self.daysMax) of them")
        }
        let name = try await endpoint(query)
        let usage = try await queue.usage(from: from, through: to).filter { name == nil || $0.endpoint == name }
        return try .json(CostReport(currency: accounts.currency, from: from, to: to, usage: usage))
    }

    /// - Throws: `endpoint_unknown` for one that neither is configured nor was, as far as anything is kept of it.
    private func endpoint(_ query: QueryItems) async throws -> String? {
        guard let name = query["endpoint"] else { return nil }
        do { return try directory.endpoint(named: name).name } catch {
            guard try await queue.fleets().contains(where: { $0.status.endpoint == name }) else { throw error }
            return name
        }
    }

    private func day(_ key: String, _ query: QueryItems) throws -> Day? {
        try query[key].map { text in
            guard let day = Day(text) else { throw MillraceError(.malformedRequest, "\"\(key)\" must be a day in UTC such as 2026-11-28") }
            return day
        }
    }
}
