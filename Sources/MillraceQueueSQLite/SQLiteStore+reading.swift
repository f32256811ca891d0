import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore {
    public func job(_ id: JobID) async throws -> Job? {
        try await reading { try JobRow.find(id, in: $0)?.completeJob() }
    }

    public func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job] {
        try await reading { try $0.list(filter, .latest, cursor: cursor, limit: limit).map { try $0.completeJob() } }
    }

    public func count(matching filter: JobFilter) async throws -> Int {
        try await reading { step in
            let groups = try step.groups(filter)
            guard !filter.isCounted else { return groups.reduce(0) { $0 + $1.count } }
            return try groups.reduce(0) { $0 + (try step.count($1, filter)) }
        }
    }

    public func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent] {
        try await reading { try $0.events(of: job, after: sequence, limit: limit) }
    }

    public func lanes(of endpoint: String) async throws -> [Lane] {
        try await read { try $0.lanes(of: endpoint).filter { $0.queued > 0 || $0.running > 0 } }
    }

    public func queuedAhead(of id: JobID, countingTo limit: Int) async throws -> Int? {
        try await reading { step in
            guard let row = try JobRow.find(id, in: step), row.job.state == .queued else { return nil }
            let statement = try step.db.cachedStatement(
                sql: """
                    SELECT count(*) FROM (SELECT 1 FROM job INDEXED BY job_ready WHERE state = 0 AND lane = ? \
                    AND (runAt, key) < (?, ?) LIMIT ?)
                    """)
            return try Int.fetchOne(statement, arguments: [row.place.lane, row.job.runAt.milliseconds, row.key, max(limit, 0)])
        }
    }

    public func serviceTimes(of endpoint: String, limit: Int) async throws -> [ServiceTime] {
        try await read { db in
            let queues = try Int64.fetchAll(db, sql: "SELECT id FROM queue WHERE endpoint = ?", arguments: [endpoint])
            let rows = try queues.flatMap { queue in
                try Row.fetchAll(
                    db.cachedStatement(
                        sql: """
                            SELECT startedAt, finishedAt, key FROM (SELECT startedAt, finishedAt, key FROM job INDEXED BY job_finished \
                            WHERE state > 1 AND queue = ? ORDER BY finishedAt DESC, key DESC LIMIT ?) WHERE startedAt IS NOT NULL LIMIT ?
                            """), arguments: [queue, Self.endsLookedAt, max(limit, 0)])
            }
            return rows.sorted { ($0[1] as Int64, $0[2] as Int64) > ($1[1] as Int64, $1[2] as Int64) }.prefix(max(limit, 0)).map {
                ServiceTime(startedAt: Timestamp(milliseconds: $0[0]), finishedAt: Timestamp(milliseconds: $0[1]))
            }
        }
    }

    /// Ends looked at for service times: after many were cancelled in the queue, the last attempt may be far back.
    private static let endsLookedAt = 1000

    public func backlog() async throws -> [VariantBacklog] {
        let now = surroundings.now()
        return try await read { db in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT endpoint, variant, lane.id, queued, running FROM lane JOIN queue ON queue.id = lane.queue \
                    WHERE queued > 0 OR running > 0 ORDER BY endpoint, variant
                    """)
            var found: [VariantBacklog] = []
            for row in try Row.fetchAll(statement) {
                let (endpoint, variant) = (row[0] as String, row[1] as String)
                if found.last.map({ $0.endpoint != endpoint || $0.variant != variant }) ?? true {
                    found.append(VariantBacklog(endpoint: endpoint, variant: variant))
                }
                found[found.count - 1].running += row[4] as Int
                try db.countQueued(row[3], lane: row[2], in: &found[found.count - 1], at: now)
            }
            return found
        }
    }
}

extension Database {
    /// All lanes of an endpoint, also those that are empty.
    func lanes(of endpoint: String) throws -> [Lane] {
        let statement = try cachedStatement(
            sql: """
                SELECT variant, priority, tenant, queued, running FROM lane JOIN queue ON queue.id = lane.queue WHERE endpoint = ? \
                ORDER BY variant, priority DESC, tenant
                """)
        return try Row.fetchAll(statement, arguments: [endpoint]).map { row in
            Lane(
                key: LaneKey(endpoint: endpoint, variant: row[0], priority: row[1], tenant: row[2]), queued: row[3], running: row[4])
        }
    }

    /// How many jobs of an endpoint have ended.
    func finished(of endpoint: String) throws -> Int {
        let statement = try cachedStatement(
            sql: """
                SELECT coalesce(sum(succeeded + failed + cancelled + expired), 0) FROM lane JOIN queue ON queue.id = lane.queue \
                WHERE endpoint = ?
                """)
        return try Int.fetchOne(statement, arguments: [endpoint]) ?? 0
    }

    /// Splits the queued jobs of a lane into ready and scheduled ones. What is counted is the scheduled; a queue may be
    /// long, and this is asked after every change.
    fileprivate func countQueued(_ queued: Int, lane: Int64, in backlog: inout VariantBacklog, at now: Timestamp) throws {
        guard queued > 0 else { return }
        let statement = try cachedStatement(sql: JobQuery.schedule)
        guard let row = try Row.fetchOne(statement, arguments: [lane, now.milliseconds]) else { return }
        let scheduled: Int = row[0]
        backlog.scheduled += scheduled
        backlog.ready += queued - scheduled
        backlog.oldestReadyAt = Self.earlier(backlog.oldestReadyAt, Timestamp(column: row[1]))
        backlog.nextRunAt = Self.earlier(backlog.nextRunAt, Timestamp(column: row[2]))
    }

    private static func earlier(_ one: Timestamp?, _ two: Timestamp?) -> Timestamp? {
        guard let one, let two else { return one ?? two }
        return min(one, two)
    }
}
