import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: WorkerRegistry {
    public func register(_ worker: WorkerRecord) async throws {
        try await write { step in
            // Whoever has been told to go does not come back by saying hello again.
            try step.execute(
                """
                INSERT INTO worker (id, endpoint, variant, instance, host, processID, startedAt, readyAt, seenAt, draining, idleSince) \
                VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET endpoint = excluded.endpoint, \
                variant = excluded.variant, instance = excluded.instance, host = excluded.host, \
                processID = excluded.processID, startedAt = excluded.startedAt, readyAt = excluded.readyAt, \
                seenAt = excluded.seenAt, draining = max(draining, excluded.draining), idleSince = excluded.idleSince, \
                lastRequest = iif(startedAt = excluded.startedAt, lastRequest, NULL)
                """,
                [
                    worker.id.data, worker.endpoint, worker.variant, worker.instance, worker.host, worker.processID,
                    worker.startedAt.milliseconds, worker.readyAt?.milliseconds, worker.seenAt.milliseconds, worker.draining,
                    worker.idleSince.milliseconds,
                ])
            step.ledger.publish(.worker)
        }
    }

    public func touch(_ worker: WorkerID, readyAt: Timestamp?) async throws -> Bool {
        try await write { step in
            guard let record = try step.worker(worker) else { throw MillraceError.workerMissing(worker) }
            if record.readyAt != readyAt, readyAt != nil { step.ledger.publish(.worker) }
            try step.execute(
                "UPDATE worker SET seenAt = ?, readyAt = coalesce(?, readyAt) WHERE id = ?",
                [step.now.milliseconds, readyAt?.milliseconds, worker.data])
            return record.draining
        }
    }

    public func drain(_ workers: [WorkerID], by leader: Leadership?) async throws {
        try await write { step in
            try step.check(leader)
            for worker in workers {
                let changed = try step.changing("UPDATE worker SET draining = 1 WHERE id = ? AND draining = 0", [worker.data])
                if changed > 0 { step.ledger.publish(.worker) }
            }
        }
    }

    public func recall(_ workers: [WorkerID]) async throws {
        try await write { step in
            for worker in workers where try step.changing("UPDATE worker SET draining = 1 WHERE id = ?", [worker.data]) > 0 {
                try step.giveBackAll(of: worker)
                step.ledger.publish(.worker)
            }
        }
    }

    public func deregister(_ worker: WorkerID) async throws {
        try await write { step in
            try step.giveBackAll(of: worker)
            guard try step.changing("DELETE FROM worker WHERE id = ?", [worker.data]) > 0 else { return }
            step.ledger.publish(.worker)
        }
    }

    public func workers() async throws -> [WorkerRecord] {
        try await read { try $0.workers("ORDER BY id", []) }
    }

    public func removeWorkers(notSeenSince: Timestamp, by leader: Leadership?) async throws -> [WorkerRecord] {
        try await write { step in
            try step.check(leader)
            try step.ledger.flush(step.db)
            let gone = try step.db.workers("WHERE seenAt < ? ORDER BY id", [notSeenSince.milliseconds])
            for worker in gone { try step.execute("DELETE FROM worker WHERE id = ?", [worker.id.data]) }
            if !gone.isEmpty { step.ledger.publish(.worker) }
            return gone
        }
    }
}

extension WriteStep {
    fileprivate func giveBackAll(of worker: WorkerID) throws {
        for row in try held(by: worker) {
            if let transition = JobTransition.giveBack(row.job, in: surroundings) { _ = try apply(transition, to: row) }
        }
    }

    func worker(_ id: WorkerID) throws -> WorkerRecord? {
        try db.workers("WHERE id = ?", [id.data]).first
    }
}

extension Database {
    fileprivate func workers(_ condition: String, _ arguments: StatementArguments) throws -> [WorkerRecord] {
        let statement = try cachedStatement(
            sql: """
                SELECT id, endpoint, variant, instance, host, processID, startedAt, readyAt, seenAt, draining, idleSince, \
                (SELECT count(*) FROM job INDEXED BY job_held WHERE job.worker = worker.id AND job.state = 1) FROM worker \(condition)
                """)
        return try Row.fetchAll(statement, arguments: arguments).map { row in
            WorkerRecord(
                id: WorkerID(column: row[0]), endpoint: row[1], variant: row[2], instance: row[3], host: row[4], processID: row[5],
                startedAt: Timestamp(milliseconds: row[6]), readyAt: Timestamp(column: row[7]),
                seenAt: Timestamp(milliseconds: row[8]), draining: row[9], jobsHeld: row[11],
                idleSince: Timestamp(milliseconds: row[10]))
        }
    }
}
