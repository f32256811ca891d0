import Foundation
import GRDB
import MillraceCore
import MillraceQueue

extension WriteStep {
    /// Writes a transition of a stored job: the row, guarded by the state and token that the rule saw, its events, its
    /// delivery and the blobs it uses. Returns the row as it is now.
    @discardableResult
    func apply(_ transition: JobTransition, to row: JobRow) throws -> JobRow {
        let now = now
        let (kept, logs) = transition.eventsKept(logsBefore: row.logs)
        try update(row, to: transition.job, logs: logs)
        try useBlobs(transition, from: row.job)
        if let worker = transition.workerChanged(from: row.job) {
            try execute("UPDATE worker SET idleSince = ? WHERE id = ?", [now.milliseconds, worker.data])
        }
        try append(kept, to: row.key, at: now)
        if var delivery = transition.delivery {
            delivery.snapshot = try row.complete(delivery.snapshot)
            try insert(delivery, job: row.key)
        }
        topics.all.formUnion(transition.topics(from: row.job))
        var row = row
        row.job = transition.job
        row.logs = logs
        return row
    }

    private func update(_ row: JobRow, to job: Job, logs: Int) throws {
        let old = row.job
        let changed = try changing(
            """
            UPDATE job SET state = ?, priority = ?, runAt = ?, expiresAt = ?, startedAt = ?, finishedAt = ?, \
            cancelRequestedAt = ?, attempt = ?, crashes = ?, leases = ?, token = ?, worker = ?, leaseUntil = ?, \
            coldStart = ?, logs = ? WHERE key = ? AND state = ? AND token IS ?
            """,
            [
                job.state.number, job.priority, job.runAt.milliseconds, job.expiresAt?.milliseconds, job.startedAt?.milliseconds,
                job.finishedAt?.milliseconds, job.cancelRequestedAt?.milliseconds, job.attempt, job.crashes, job.leases,
                job.lease?.token.data, job.lease?.worker.data, job.lease?.expiresAt.milliseconds, job.coldStart?.milliseconds,
                logs, row.key, old.state.number, old.lease?.token.data,
            ])
        precondition(changed == 1, "a job changed under the only writer's transaction")
        guard job.progress != old.progress || job.checkpoint != old.checkpoint || job.outputs != old.outputs || job.failure != old.failure
        else { return }
        try execute(
            "UPDATE job SET progress = ?, checkpoint = ?, outputs = ?, failure = ? WHERE key = ?",
            [
                JSONColumn.text(job.progress), JSONColumn.text(job.checkpoint), JSONColumn.text(unlessEmpty: job.outputs),
                JSONColumn.text(job.failure), row.key,
            ])
    }

    /// Inserts a new job. Its row holds what no transition changes, too.
    func insert(_ transition: JobTransition, _ cold: ColdColumns, _ idempotency: NewJob.Idempotency?) throws {
        let job = transition.job
        let now = now
        try execute(
            """
            INSERT INTO job (id, tenant, endpoint, variant, state, priority, runAt, createdAt, expiresAt, attempt, crashes, \
            leases, attemptsMax, crashesMax, backoffBase, backoffMax, runLimit, callback, traceparent, parameters, input, \
            files, idempotencyKey, fingerprint) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
            """,
            [
                job.id.data, job.tenant, job.endpoint, job.variant, job.state.number, job.priority, job.runAt.milliseconds,
                job.createdAt.milliseconds, job.expiresAt?.milliseconds, job.attempt, job.crashes, job.leases,
                job.retry.attemptsMax, job.retry.crashesMax, job.retry.backoffBase.milliseconds,
                job.retry.backoffMax.milliseconds, job.runLimit.milliseconds, job.callback, job.traceparent, cold.parameters,
                cold.input, cold.files, idempotency?.key, idempotency?.fingerprint,
            ])
        let key = db.lastInsertedRowID
        try useBlobs(transition, from: nil)
        try append(transition.events, to: key, at: now)
        topics.all.formUnion(transition.topics)
    }

    private func useBlobs(_ transition: JobTransition, from old: Job?) throws {
        let (added, released) = transition.blobsChanged(from: old)
        for file in added {
            try execute(
                """
                UPDATE blob SET uses = uses + 1, bytes = iif(state = 0, ?, bytes), sha256 = iif(state = 0, ?, sha256), \
                mediaType = iif(state = 0, ?, mediaType), state = max(state, 1) WHERE id = ?
                """, [file.bytes, file.sha256, file.mediaType, file.blob.data])
        }
        for id in released { try release(id) }
    }

    /// One job fewer uses this blob. It no longer belongs to its writer either, or a long job's old checkpoints would stay.
    func release(_ blob: BlobID) throws {
        try execute("UPDATE blob SET uses = uses - 1, writer = NULL WHERE id = ?", [blob.data])
    }

    /// Whether the blob may be used: there is a row, and it is not being deleted.
    func blobIsThere(_ id: BlobID, tenant: String? = nil) throws -> Bool {
        let statement = try db.cachedStatement(sql: "SELECT tenant FROM blob WHERE id = ? AND state < 2")
        guard let owner = try String.fetchOne(statement, arguments: [id.data]) else { return false }
        return tenant == nil || tenant == owner
    }

    private func append(_ events: [JobEvent.Detail], to key: Int64, at now: Timestamp) throws {
        for event in events {
            if case .progress = event { try execute("DELETE FROM event WHERE job = ? AND kind = 1", [key]) }
            let columns = try EventColumns(event)
            try execute(
                "INSERT INTO event (job, at, kind, code, attempt, worker, runAt, text) VALUES (?,?,?,?,?,?,?,?)",
                [
                    key, now.milliseconds, columns.kind, columns.code, columns.attempt, columns.worker, columns.runAt, columns.text,
                ])
        }
    }

    private func insert(_ delivery: Delivery, job key: Int64) throws {
        try execute(
            """
            INSERT INTO delivery (id, job, url, state, event, snapshot, createdAt, dueAt, availableAt) \
            VALUES (?,?,?,?,?,?,?,?,?)
            """,
            [
                delivery.id.data, key, delivery.url, delivery.state.number, delivery.event,
                MillraceJSON.string(delivery.snapshot), delivery.createdAt.milliseconds, delivery.dueAt.milliseconds,
                delivery.dueAt.milliseconds,
            ])
    }
}

/// What is encoded before the writer is asked, so that the one writer spends no time on it.
struct ColdColumns: Sendable {
    var parameters: String?
    var input: String?
    var files: String?

    init(_ job: Job) throws {
        parameters = try JSONColumn.text(unlessEmpty: job.parameters)
        input = try JSONColumn.text(job.input)
        files = try JSONColumn.text(unlessEmpty: job.files)
    }
}

/// An event's detail as columns.
struct EventColumns {
    var kind: Int
    var code: Int?
    var attempt: Int?
    var worker: Data?
    var runAt: Int64?
    var text: String

    init(_ detail: JobEvent.Detail) throws {
        switch detail {
        case .state(let change):
            (kind, code, attempt) = (0, change.state.number, change.attempt)
            worker = change.worker?.data
            runAt = change.runAt?.milliseconds
            text = change.reason
        case .progress(let progress):
            (kind, text) = (1, try MillraceJSON.string(progress))
        case .log(let line):
            (kind, code, text) = (2, line.level.number, line.message)
        }
    }

    /// Reads `kind, code, attempt, worker, runAt, text`, beginning at a column.
    static func detail(_ row: Row, from first: Int) throws -> JobEvent.Detail {
        switch row[first] as Int {
        case 0:
            .state(
                StateChange(
                    state: JobState(column: row[first + 1]), attempt: row[first + 2],
                    worker: (row[first + 3] as Data?).map { WorkerID(column: $0) }, reason: row[first + 5],
                    runAt: Timestamp(column: row[first + 4])))
        case 1: .progress(try MillraceJSON.decode(from: row[first + 5] as String))
        default: .log(LogLine(stored: row[first + 5], level: LogLine.Level(column: row[first + 1])))
        }
    }
}

extension LogLine {
    /// A line that was cut when it was first made is not cut again.
    init(stored message: String, level: Level) {
        self.init(level: level, message: "")
        self.message = message
    }
}
