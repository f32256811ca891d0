import Foundation
import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: ScalingStore {
    public func keep(_ entry: ScalingEntry, within limits: ScalingLimits, by leader: Leadership?) async throws {
        try await write { step in
            try step.check(leader)
            try step.execute(
                """
                INSERT INTO fleet (endpoint, variant, status, memory) VALUES (?,?,?,?) \
                ON CONFLICT DO UPDATE SET status = excluded.status, memory = excluded.memory
                """, [entry.status.endpoint, entry.status.variant, try MillraceJSON.string(entry.status), entry.memory])
            for decision in entry.decisions { try step.add(decision) }
            for usage in entry.usage { try step.add(usage) }
            for start in entry.starts { try step.keep(start) }
            try step.prune(limits, entry)
        }
    }

    public func fleets() async throws -> [FleetRecord] {
        try await read { db in
            try Row.fetchAll(db, sql: "SELECT status, memory, endpoint, variant FROM fleet ORDER BY endpoint, variant").map { row in
                // What another version wrote costs what was shown, not all scaling.
                let status: FleetStatus? = try? MillraceJSON.decode(from: row[0] as String)
                return FleetRecord(
                    status: status ?? FleetStatus(endpoint: row[2], variant: row[3], at: Timestamp(milliseconds: 0)), memory: row[1])
            }
        }
    }

    public func decisions(of endpoint: String?, before cursor: Int64?, limit: Int) async throws -> [ScalingRecord] {
        try await read { db in
            var condition = "sequence < ?"
            var arguments: StatementArguments = [cursor ?? .max]
            if let endpoint {
                condition += " AND endpoint = ?"
                arguments += [endpoint]
            }
            return try Row.fetchAll(
                db,
                sql: """
                    SELECT sequence, at, endpoint, variant, kind, "from", "to", reason, inputs FROM scalingDecision \
                    WHERE \(condition) ORDER BY sequence DESC LIMIT ?
                    """, arguments: arguments + [max(limit, 0)]
            ).map { row in
                var record = ScalingRecord(
                    at: Timestamp(milliseconds: row[1]), endpoint: row[2], variant: row[3],
                    // What a later version may have written is shown as what waits.
                    kind: ScalingRecord.Kind(rawValue: row[4]) ?? .hold, from: row[5], to: row[6], reason: row[7],
                    inputs: try MillraceJSON.decode(from: row[8] as String))
                record.sequence = row[0]
                return record
            }
        }
    }

    public func usage(from: Day, through: Day) async throws -> [WorkerUsage] {
        try await read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT day, endpoint, variant, usedSeconds, busySeconds, alwaysOnSeconds, jobs, runSeconds, cost FROM workerUsage \
                    WHERE day BETWEEN ? AND ? ORDER BY day, endpoint, variant
                    """, arguments: [from.number, through.number]
            ).map { row in
                var usage = WorkerUsage(day: Day(number: row[0]), endpoint: row[1], variant: row[2])
                (usage.usedSeconds, usage.busySeconds, usage.alwaysOnSeconds) = (row[3], row[4], row[5])
                (usage.jobs, usage.runSeconds, usage.cost) = (row[6], row[7], row[8])
                return usage
            }
        }
    }

    public func totals() async throws -> [VariantTotals] {
        try await read { db in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT endpoint, variant, sum(admitted), sum(ended), sum(runTime) FROM lane JOIN queue ON queue.id = lane.queue \
                    GROUP BY queue.id HAVING sum(admitted) > 0 ORDER BY endpoint, variant
                    """)
            return try Row.fetchAll(statement).map { row in
                VariantTotals(endpoint: row[0], variant: row[1], admitted: row[2], ended: row[3], run: .milliseconds(row[4] as Int64))
            }
        }
    }

    public func keep(_ start: ColdStart) async throws {
        try await write { step in
            try step.keep(start)
            try step.pruneStarts(ScalingLimits())
        }
    }

    public func coldStarts(of endpoint: String?, limit: Int) async throws -> [ColdStart] {
        try await read { db in
            try endpoint.map { try db.coldStarts("WHERE endpoint = ? ORDER BY key DESC LIMIT ?", [$0, max(limit, 0)]) }
                ?? db.coldStarts("ORDER BY key DESC LIMIT ?", [max(limit, 0)])
        }
    }

    public func coldStart(ofWorkerOf job: JobID) async throws -> ColdStart? {
        try await read { db in
            try db.coldStarts(
                """
                WHERE worker = (SELECT worker FROM event WHERE job = (SELECT key FROM job WHERE id = ?) AND kind = 0 AND code = ? \
                ORDER BY sequence DESC LIMIT 1) ORDER BY key DESC LIMIT 1
                """, [job.data, JobState.running.number]
            ).first
        }
    }
}

extension WriteStep {
    fileprivate func add(_ decision: ScalingRecord) throws {
        try execute(
            #"INSERT INTO scalingDecision (at, endpoint, variant, kind, "from", "to", reason, inputs) VALUES (?,?,?,?,?,?,?,?)"#,
            [
                decision.at.milliseconds, decision.endpoint, decision.variant, decision.kind.rawValue, decision.from, decision.to,
                decision.reason, try MillraceJSON.string(decision.inputs),
            ])
    }

    fileprivate func add(_ usage: WorkerUsage) throws {
        try execute(
            """
            INSERT INTO workerUsage (day, endpoint, variant, usedSeconds, busySeconds, alwaysOnSeconds, jobs, runSeconds, cost) \
            VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET usedSeconds = usedSeconds + excluded.usedSeconds, \
            busySeconds = busySeconds + excluded.busySeconds, alwaysOnSeconds = alwaysOnSeconds + excluded.alwaysOnSeconds, \
            jobs = jobs + excluded.jobs, runSeconds = runSeconds + excluded.runSeconds, cost = cost + excluded.cost
            """,
            [
                usage.day.number, usage.endpoint, usage.variant, usage.usedSeconds, usage.busySeconds, usage.alwaysOnSeconds, usage.jobs,
                usage.runSeconds, usage.cost,
            ])
    }

    fileprivate func keep(_ start: ColdStart) throws {
        try execute(
            """
            INSERT INTO coldStart (instance, endpoint, variant, worker, wantedAt, marks) VALUES (?,?,?,?,?,?) ON CONFLICT (instance) \
            DO UPDATE SET endpoint = excluded.endpoint, variant = excluded.variant, worker = coalesce(excluded.worker, worker), \
            wantedAt = coalesce(excluded.wantedAt, wantedAt), marks = coalesce(excluded.marks, marks)
            """,
            [
                start.instance, start.endpoint, start.variant, start.worker?.data, start.wantedAt?.milliseconds,
                try JSONColumn.text(start.marks),
            ])
    }

    /// Only what has grown is looked at.
    fileprivate func prune(_ limits: ScalingLimits, _ entry: ScalingEntry) throws {
        if !entry.decisions.isEmpty {
            try execute(
                "DELETE FROM scalingDecision WHERE sequence <= (SELECT max(sequence) FROM scalingDecision) - ?", [limits.decisionsMax])
            // In the order of being written, which is that of time: the first young one ends the search.
            try execute(
                """
                DELETE FROM scalingDecision WHERE sequence < coalesce((SELECT sequence FROM scalingDecision WHERE at >= ? \
                ORDER BY sequence LIMIT 1), 9223372036854775807)
                """, [(now - limits.age).milliseconds])
        }
        if !entry.starts.isEmpty { try pruneStarts(limits) }
        if !entry.usage.isEmpty {
            try execute("DELETE FROM workerUsage WHERE day < ?", [Day(of: now).number - Int64(limits.usageDays)])
        }
    }

    fileprivate func pruneStarts(_ limits: ScalingLimits) throws {
        try execute("DELETE FROM coldStart WHERE key <= (SELECT key FROM coldStart ORDER BY key DESC LIMIT 1 OFFSET ?)", [limits.coldStartsMax])
    }
}

extension Database {
    fileprivate func coldStarts(_ condition: String, _ arguments: StatementArguments) throws -> [ColdStart] {
        let statement = try cachedStatement(sql: "SELECT instance, endpoint, variant, worker, wantedAt, marks FROM coldStart \(condition)")
        return try Row.fetchAll(statement, arguments: arguments).map { row in
            ColdStart(
                instance: row[0], endpoint: row[1], variant: row[2], worker: (row[3] as Data?).map { WorkerID(column: $0) },
                wantedAt: Timestamp(column: row[4]), marks: try JSONColumn.value(row[5]))
        }
    }
}
