import GRDB
import Testing

@testable import MillraceQueueSQLite

extension SQLiteStore {
    /// What the store keeps beside its jobs must be what a look at all of them gives: the counts of the lanes, the times at which they
    /// are ready, the uses of blobs. Rows that name a job name one that is there.
    func verifyLanes(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for (fault, sql) in Self.faults {
            let rows = try await pool.read { try Row.fetchAll($0, sql: sql).map { "\($0)" } }
            #expect(rows.isEmpty, "\(fault): \(rows.prefix(5))", sourceLocation: sourceLocation)
        }
    }

    private static let states = ["queued", "running", "succeeded", "failed", "cancelled", "expired"]

    /// Each query gives the rows that are wrong.
    private static let faults: [(String, String)] = [
        (
            "a lane counts other jobs than it has",
            "SELECT * FROM lane WHERE " + states.enumerated().map { number, state in
                "\(state) <> (SELECT count(*) FROM job WHERE job.lane = lane.id AND job.state = \(number))"
            }.joined(separator: " OR ")
        ),
        (
            "a lane is said to be ready later than its first job is due",
            "SELECT * FROM lane WHERE readyAt > (SELECT min(runAt) FROM job WHERE job.lane = lane.id AND state = 0)"
        ),
        (
            "a job lies in the lane of another queue, or in none",
            "SELECT job.key FROM job LEFT JOIN lane ON lane.id = job.lane WHERE lane.id IS NULL OR lane.queue <> job.queue"
        ),
        (
            "a blob counts fewer uses than a row that names it",
            "SELECT id FROM blob WHERE uses < 0 OR (state <> 1 AND uses > 0)"
        ),
        ("an event is of no job", "SELECT job FROM event WHERE job NOT IN (SELECT key FROM job)"),
        ("a delivery is of no job", "SELECT job FROM delivery WHERE job NOT IN (SELECT key FROM job)"),
        ("an input is of no job", "SELECT job FROM payload WHERE job NOT IN (SELECT key FROM job)"),
        ("an idempotency key is of no job", "SELECT job FROM idempotency WHERE job NOT IN (SELECT key FROM job)"),
        (
            "a number was given out that the counter does not know",
            """
            SELECT sequence FROM event WHERE sequence > (SELECT sequence FROM counter) \
            UNION ALL SELECT turn FROM lane WHERE turn > (SELECT turn FROM counter)
            """
        ),
        (
            "a job has a lease without running, or runs without one",
            "SELECT key FROM job WHERE (state = 1) <> (token IS NOT NULL) OR (token IS NULL) <> (worker IS NULL)"
        ),
    ]
}
