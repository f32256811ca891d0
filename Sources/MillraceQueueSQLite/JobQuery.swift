/// The queries that the queue runs all the time, each bound to the partial index that was made for it.
///
/// Without statistics SQLite guesses among indexes, and it may guess one that holds every finished job. `INDEXED BY`
/// makes the choice part of the statement: it fails to prepare when the index is not usable. A test reads their plans.
enum JobQuery: String, CaseIterable {
    /// Due jobs of one lane. Arguments: lane, now, now, limit.
    case ready = """
        INDEXED BY job_ready WHERE state = 0 AND lane = ? AND runAt <= ? \
        AND (queuedUntil IS NULL OR queuedUntil > ?) ORDER BY runAt, key LIMIT ?
        """
    /// Running jobs whose lease has run out: looks at all that run, which are as many as the workers hold. Arguments: now, limit.
    case leaseOver = "INDEXED BY job_held WHERE state = 1 AND leaseUntil <= ? ORDER BY leaseUntil, id LIMIT ?"
    /// Queued jobs past their time to live or deadline. Arguments: now, limit.
    case expired = """
        INDEXED BY job_expiring WHERE state = 0 AND queuedUntil IS NOT NULL AND queuedUntil <= ? \
        ORDER BY queuedUntil, key LIMIT ?
        """
    /// What a worker holds. Arguments: worker.
    case heldBy = "INDEXED BY job_held WHERE state = 1 AND worker = ?"
    /// Jobs that ended and whose messages are out, the first ones. Arguments: queue, limit.
    case finished = """
        INDEXED BY job_finished WHERE state > 1 AND queue = ? AND NOT EXISTS \
        (SELECT 1 FROM delivery WHERE delivery.job = job.key AND delivery.state = 0) ORDER BY finishedAt, key LIMIT ?
        """

    /// `id, priority, tenant, queued, running, turn` of the lanes of a variant that may have due jobs. Arguments: endpoint, variant, now.
    static let waitingLanes = """
        SELECT id, priority, tenant, queued, running, turn FROM lane INDEXED BY lane_waiting \
        WHERE queue = (SELECT id FROM queue WHERE endpoint = ? AND variant = ?) AND queued > 0 AND readyAt <= ?
        """
    /// Arguments: lane, lane.
    static let mendReadiness = """
        UPDATE lane SET readyAt = coalesce((SELECT min(runAt) FROM job INDEXED BY job_ready WHERE state = 0 AND lane = ?), \
        9223372036854775807) WHERE id = ?
        """
    /// `scheduled, oldestReadyAt, nextRunAt` of a lane's queued jobs: two seeks, and a count of what is scheduled for later.
    /// Arguments: lane, now.
    static let schedule = """
        SELECT (SELECT count(*) \(jobs) AND runAt > ?2), (SELECT min(runAt) \(jobs) AND runAt <= ?2), \
        (SELECT min(runAt) \(jobs) AND runAt > ?2)
        """
    private static let jobs = "FROM job INDEXED BY job_ready WHERE state = 0 AND lane = ?1"
}
