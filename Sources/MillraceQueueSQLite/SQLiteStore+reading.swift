import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore {
    public func job(_ id: JobID) async throws -> Job? {
        try await read { try JobRow.find(id, in: $0)?.job }
    }

    public func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job] {
        let limit = max(limit, 0)
        return try await read { db in
            guard let states = filter.states else {
                return try db.jobs(filter, state: nil, after: cursor, limit: limit)
            }
            // Each state by its own index, then merged: a rare state among a million finished jobs is found at once.
            let found = try states.flatMap { try db.jobs(filter, state: $0, after: cursor, limit: limit) }
            return Array(found.sorted { $0.id > $1.id }.prefix(limit))
        }
    }

    public func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent] {
        try await read { db in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT sequence, at, kind, code, attempt, worker, runAt, text FROM event \
                    WHERE job = (SELECT key FROM job WHERE id = ?) AND sequence > ? ORDER BY sequence LIMIT ?
                    """)
            return try Row.fetchAll(statement, arguments: [job.data, sequence, max(limit, 0)]).map { row in
                JobEvent(
                    sequence: row[0], job: job, at: Timestamp(milliseconds: row[1]), detail: try EventColumns.detail(row, from: 2))
            }
        }
    }

    public func backlog() async throws -> [VariantBacklog] {
        let now = surroundings.now().milliseconds
        return try await read { db in
            var found: [[String]: VariantBacklog] = [:]
            for row in try db.queuedCounts(now) {
                found[[row[0], row[1]]] = VariantBacklog(
                    endpoint: row[0], variant: row[1], ready: row[2], scheduled: row[3],
                    oldestReadyAt: Timestamp(column: row[4]), nextRunAt: Timestamp(column: row[5]))
            }
            let running = try db.cachedStatement(
                sql: "SELECT endpoint, variant, count(*) FROM job \(JobQuery.running.rawValue) GROUP BY endpoint, variant")
            for row in try Row.fetchAll(running) {
                found[[row[0], row[1]], default: VariantBacklog(endpoint: row[0], variant: row[1])].running = row[2]
            }
            return found.values.sorted { ($0.endpoint, $0.variant) < ($1.endpoint, $1.variant) }
        }
    }
}

extension Database {
    fileprivate func jobs(_ filter: JobFilter, state: JobState?, after cursor: JobID?, limit: Int) throws -> [Job] {
        var conditions: [String] = []
        var arguments = StatementArguments()
        func require(_ condition: String, _ value: (any DatabaseValueConvertible)?) {
            guard let value else { return }
            conditions.append(condition)
            arguments += [value]
        }
        require("state = ?", state?.number)
        require("tenant = ?", filter.tenant)
        require("endpoint = ?", filter.endpoint)
        require("id < ?", cursor?.data)
        let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        return try JobRow.all("\(condition) ORDER BY id DESC LIMIT ?", arguments + [limit], in: self).map(\.job)
    }

    /// `endpoint, variant, ready, scheduled, oldestReadyAt, nextRunAt`, from the index of queued jobs alone.
    fileprivate func queuedCounts(_ now: Int64) throws -> [Row] {
        let statement = try cachedStatement(
            sql: """
                SELECT endpoint, variant, sum(runAt <= ?1), sum(runAt > ?1), min(iif(runAt <= ?1, runAt, NULL)), \
                min(iif(runAt > ?1, runAt, NULL)) FROM job INDEXED BY job_ready WHERE state = 0 GROUP BY endpoint, variant
                """)
        return try Row.fetchAll(statement, arguments: [now])
    }
}
