import GRDB
import MillraceCore
import MillraceQueue

/// Finds jobs by what a filter names: each group of jobs with the same lane and state lies together in an index, in the order in
/// which they were taken in, and the groups are merged.
extension JobReading {
    /// Jobs of one lane in one state.
    typealias Group = (lane: Int64, state: JobState, count: Int)

    func groups(_ filter: JobFilter) throws -> [Group] {
        var conditions = ["1"]
        var arguments = StatementArguments()
        if let tenant = filter.tenant {
            conditions.append("tenant = ?")
            arguments += [tenant]
        }
        if let endpoint = filter.endpoint {
            conditions.append("queue IN (SELECT id FROM queue WHERE endpoint = ?)")
            arguments += [endpoint]
        }
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, queued, running, succeeded, failed, cancelled, expired FROM lane \
                WHERE \(conditions.joined(separator: " AND ")) ORDER BY id
                """)
        let states = filter.states ?? Set(JobState.allCases)
        return try Row.fetchAll(statement, arguments: arguments).flatMap { row in
            JobState.numbered.enumerated().filter { states.contains($0.element) && (row[$0.offset + 1] as Int) > 0 }
                .map { (row[0], $0.element, row[$0.offset + 1]) }
        }
    }

    func list(_ filter: JobFilter, _ order: JobOrder, cursor: JobID? = nil, askedToCancel: Bool? = nil, limit: Int) throws -> [JobRow] {
        let limit = max(limit, 0)
        let end = try cursor.map { try key(before: $0) }
        let groups = try groups(filter)
        let condition = Self.condition(filter, askedToCancel)
        let rows = try groups.flatMap { group in
            try JobRow.all(
                "INDEXED BY job_listed WHERE lane = ? AND state = ? AND key < ? \(condition) ORDER BY key \(order.rawValue) LIMIT ?", in: self
            ) {
                $0.bind(group.lane)
                $0.bind(group.state.number)
                $0.bind(end ?? .max)
                Self.bind(filter, to: &$0)
                $0.bind(limit)
            }
        }
        return Array(rows.sorted { order == .latest ? $0.key > $1.key : $0.key < $1.key }.prefix(limit))
    }

    func count(_ group: Group, _ filter: JobFilter) throws -> Int {
        var statement = try RawStatement(
            "SELECT count(*) FROM job INDEXED BY job_listed WHERE lane = ? AND state = ? \(Self.condition(filter, nil))", in: db)
        statement.bind(group.lane)
        statement.bind(group.state.number)
        Self.bind(filter, to: &statement)
        _ = try statement.step()
        defer { statement.reset() }
        return statement.int(0)
    }

    /// The key below which the jobs before a cursor lie. A cursor whose job is gone stands where its id would be.
    private func key(before cursor: JobID) throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT key, id FROM job WHERE id <= ? ORDER BY id DESC LIMIT 1")
        guard let row = try Row.fetchOne(statement, arguments: [cursor.data]) else { return 0 }
        return JobID(column: row[1]) == cursor ? row[0] : (row[0] as Int64) + 1
    }

    private static func condition(_ filter: JobFilter, _ askedToCancel: Bool?) -> String {
        var conditions: [String] = []
        if filter.createdFrom != nil { conditions.append("createdAt >= ?") }
        if filter.createdBefore != nil { conditions.append("createdAt < ?") }
        if filter.failureCode != nil { conditions.append("json_extract(failure, '$.code') = ?") }
        if let askedToCancel { conditions.append("cancelRequestedAt IS \(askedToCancel ? "NOT NULL" : "NULL")") }
        return conditions.map { "AND \($0)" }.joined(separator: " ")
    }

    private static func bind(_ filter: JobFilter, to statement: inout RawStatement) {
        if let time = filter.createdFrom { statement.bind(time) }
        if let time = filter.createdBefore { statement.bind(time) }
        if let code = filter.failureCode { statement.bind(code) }
    }
}

/// The order of a list, as SQL says it.
enum JobOrder: String {
    case latest = "DESC"
    case oldest = "ASC"
}

extension WriteStep {
    /// The oldest jobs that a filter names. The counts of the lanes must tell all that this transaction has changed.
    func oldest(_ filter: JobFilter, askedToCancel: Bool? = nil, limit: Int) throws -> [JobRow] {
        try ledger.flush(db)
        return try list(filter, .oldest, askedToCancel: askedToCancel, limit: limit)
    }
}
