/// The queries that the queue runs all the time, each bound to the partial index that was made for it.
///
/// Without statistics SQLite guesses among indexes, and it may guess one that holds every finished job. `INDEXED BY`
/// makes the choice part of the statement: it fails to prepare when the index is not usable. A test reads their plans.
enum JobQuery: String, CaseIterable {
    /// Due jobs of one priority. Arguments: endpoint, variant, priority, now, now, limit.
    case ready = """
        INDEXED BY job_ready WHERE state = 0 AND endpoint = ? AND variant = ? AND priority = ? AND runAt <= ? \
        AND (expiresAt IS NULL OR leases > 0 OR expiresAt > ?) ORDER BY runAt, id LIMIT ?
        """
    /// Queued jobs of a variant. Arguments: endpoint, variant.
    case queued = "INDEXED BY job_ready WHERE state = 0 AND endpoint = ? AND variant = ?"
    /// Running jobs whose lease has run out. Arguments: now, limit.
    case leaseOver = "INDEXED BY job_running WHERE state = 1 AND leaseUntil <= ? ORDER BY leaseUntil, id LIMIT ?"
    case running = "INDEXED BY job_running WHERE state = 1"
    /// Queued jobs past their time to live. Arguments: now, limit.
    case expired = """
        INDEXED BY job_expiring WHERE state = 0 AND leases = 0 AND expiresAt IS NOT NULL AND expiresAt <= ? \
        ORDER BY expiresAt, id LIMIT ?
        """
    /// What a worker holds. Arguments: worker.
    case heldBy = "INDEXED BY job_held WHERE state = 1 AND worker = ?"
    /// Jobs that ended long ago and whose messages are out. Arguments: endpoint, time, limit.
    case finished = """
        INDEXED BY job_finished WHERE state > 1 AND endpoint = ? AND finishedAt < ? AND NOT EXISTS \
        (SELECT 1 FROM delivery WHERE delivery.job = job.key AND delivery.state = 0) ORDER BY finishedAt, id LIMIT ?
        """

    /// `scheduled, oldestReadyAt, nextRunAt` of a variant's queued jobs: a few seeks for each priority, and a scan of
    /// what is scheduled for later. Arguments: endpoint, variant, now.
    static let schedule = """
        WITH priority (number) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) SELECT \
        sum((SELECT count(*) \(jobs) AND runAt > ?3)), \
        min((SELECT min(runAt) \(jobs) AND runAt <= ?3)), \
        min((SELECT min(runAt) \(jobs) AND runAt > ?3)) FROM priority
        """
    private static let jobs =
        "FROM job INDEXED BY job_ready WHERE state = 0 AND endpoint = ?1 AND variant = ?2 AND priority = priority.number"
}
