import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore {
    public func job(_ id: JobID) async throws -> Job? {
        try await read { try JobRow.find(id, in: $0)?.completeJob() }
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
        let now = surroundings.now()
        return try await read { db in
            let statement = try db.cachedStatement(
                sql: "SELECT endpoint, name, queued, running FROM variant WHERE queued > 0 OR running > 0 ORDER BY endpoint, name")
            return try Row.fetchAll(statement).map { row in
                var backlog = VariantBacklog(endpoint: row[0], variant: row[1], running: row[3])
                try db.countQueued(row[2], in: &backlog, at: now)
                return backlog
            }
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
        return try JobRow.all("\(condition) ORDER BY id DESC LIMIT ?", arguments + [limit], in: self).map { try $0.completeJob() }
    }

    /// Splits the queued jobs of a variant into ready and scheduled ones. What is counted is the scheduled; a queue may be
    /// long, and this is asked after every change.
    fileprivate func countQueued(_ queued: Int, in backlog: inout VariantBacklog, at now: Timestamp) throws {
        guard queued > 0 else { return }
        let statement = try cachedStatement(sql: JobQuery.schedule)
        guard let row = try Row.fetchOne(statement, arguments: [backlog.endpoint, backlog.variant, now.milliseconds]) else { return }
        backlog.scheduled = row[0]
        backlog.ready = queued - backlog.scheduled
        backlog.oldestReadyAt = Timestamp(column: row[1])
        backlog.nextRunAt = Timestamp(column: row[2])
    }
}
