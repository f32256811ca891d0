import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: ClockKeeper {
    public func lastChangeAt() async throws -> Timestamp? {
        try await read { db in
            let newest = try Int64.fetchOne(
                db,
                sql: """
                    SELECT max(at) FROM (SELECT at FROM rescuer UNION ALL SELECT max(seenAt) FROM worker \
                    UNION ALL SELECT createdAt FROM job WHERE key = (SELECT max(key) FROM job))
                    """)
            return Timestamp(column: newest)
        }
    }

    /// One statement a table, not one a job: a step may come upon a long queue.
    public func clockWasSetBack(by step: Duration, as leader: Leadership?) async throws {
        try await write { write in
            try write.check(leader)
            try write.ledger.flush(write.db)
            let (now, step) = (write.now.milliseconds, step.milliseconds)
            try write.execute(
                "UPDATE job SET runAt = runAt - ? WHERE state = 0 AND runAt > ? AND (leases > 0 OR runAt <= createdAt)", [step, now])
            // Too early is mended by the next lease.
            try write.execute("UPDATE lane SET readyAt = 0 WHERE queued > 0")
            try write.execute("UPDATE job SET leaseUntil = leaseUntil - ?, startedAt = startedAt - ? WHERE state = 1", [step, step])
            try write.execute(
                "UPDATE delivery SET availableAt = availableAt - ?, dueAt = dueAt - ? WHERE state = 0 AND availableAt > ?", [step, step, now])
            try write.execute("UPDATE worker SET seenAt = min(seenAt, ?), idleSince = min(idleSince, ?)", [now, now])
            try write.execute("UPDATE leader SET until = until - ? WHERE role IS NOT ?", [step, leader?.role.rawValue])
            try write.execute("UPDATE rescuer SET at = ?", [now])
            // A rate that was used up is free again, once.
            try write.execute("DELETE FROM arrival")
            write.ledger.publish([.backlog, .delivery, .worker])
        }
    }
}
