import Foundation
import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: DeliveryStore {
    public func claimDeliveries(limit: Int, for duration: Duration) async throws -> [Delivery] {
        try await write { step in
            let now = step.now
            let due = try step.db.deliveries(
                "WHERE state = 0 AND availableAt <= ? ORDER BY availableAt, id LIMIT ?", [now.milliseconds, max(limit, 0)])
            return try due.map { delivery in
                let claim: LeaseToken = step.surroundings.makeID()
                let changed = try step.changing(
                    "UPDATE delivery SET claim = ?, availableAt = ? WHERE id = ? AND state = 0 AND claim IS ?",
                    [claim.data, (now + duration).milliseconds, delivery.id.data, delivery.claim?.data])
                precondition(changed == 1, "a delivery changed under the only writer's transaction")
                var delivery = delivery
                delivery.claim = claim
                return delivery
            }
        }
    }

    public func record(_ attempt: DeliveryAttempt, of delivery: DeliveryID, claim: LeaseToken, next: Timestamp?) async throws -> Bool {
        try await write { step in
            guard var found = try step.db.deliveries("WHERE id = ?", [delivery.data]).first, found.isHeld(by: claim) else {
                return false
            }
            found.record(attempt, next: next)
            let changed = try step.changing(
                """
                UPDATE delivery SET state = ?, dueAt = ?, availableAt = ?, claim = NULL, attempts = ? \
                WHERE id = ? AND state = 0 AND claim = ?
                """,
                [
                    found.state.number, found.dueAt.milliseconds, found.dueAt.milliseconds, MillraceJSON.string(found.attempts),
                    delivery.data, claim.data,
                ])
            precondition(changed == 1, "a delivery changed under the only writer's transaction")
            step.ledger.publish([.delivery, .job(found.snapshot.id)])
            return true
        }
    }

    public func deliveries(of job: JobID) async throws -> [Delivery] {
        try await read { db in
            try db.deliveries("WHERE job = (SELECT key FROM job WHERE id = ?) ORDER BY createdAt, id", [job.data])
        }
    }

    public func nextDeliveryAt() async throws -> Timestamp? {
        try await read { db in
            let statement = try db.cachedStatement(sql: "SELECT min(availableAt) FROM delivery WHERE state = 0")
            return Timestamp(column: try Int64.fetchOne(statement))
        }
    }
}

extension Database {
    fileprivate func deliveries(_ condition: String, _ arguments: StatementArguments) throws -> [Delivery] {
        let statement = try cachedStatement(
            sql: "SELECT id, url, state, event, snapshot, createdAt, dueAt, claim, attempts FROM delivery \(condition)")
        return try Row.fetchAll(statement, arguments: arguments).map { row in
            Delivery(
                id: DeliveryID(column: row[0]), url: row[1], state: Delivery.State(column: row[2]), event: row[3],
                snapshot: try MillraceJSON.decode(from: row[4] as String), createdAt: Timestamp(milliseconds: row[5]),
                dueAt: Timestamp(milliseconds: row[6]), claim: (row[7] as Data?).map { LeaseToken(column: $0) },
                attempts: try JSONColumn.value(row[8]) ?? [])
        }
    }
}
