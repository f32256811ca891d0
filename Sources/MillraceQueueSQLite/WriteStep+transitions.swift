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
        let (old, job) = (row.job, transition.job)
        if old.state == job.state, job.runAt == old.runAt, job.startedAt == old.startedAt {
            try updateRunning(row, to: job, logs: logs)
        } else {
            try update(row, to: job, logs: logs)
        }
        try updateContents(row, to: job)
        try useBlobs(transition, from: old)
        if let worker = transition.workerChanged(from: old) { ledger.idle(worker, since: now) }
        try append(kept, to: row.key, at: now)
        if var delivery = transition.delivery {
            delivery.snapshot = try row.complete(delivery.snapshot)
            try insert(delivery, job: row.key)
        }
        ledger.move(lane: row.place.lane, from: old.state, to: job.state, runAt: job.runAt, ran: job.lastRun)
        ledger.publish(transition.topics(from: old), of: job)
        var row = row
        row.job = job
        row.logs = logs
        return row
    }

    /// Writes a lease: the most frequent transition, with the fewest columns.
    func leased(_ transition: JobTransition, _ row: JobRow) throws -> JobRow {
        let job = transition.job
        guard let lease = job.lease, let startedAt = job.startedAt else { preconditionFailure("a leased job has no lease") }
        var statement = try statement(Self.leaseRow)
        statement.bind(job.attempt)
        statement.bind(job.leases)
        statement.bind(startedAt)
        statement.bind(lease.token)
        statement.bind(lease.worker)
        statement.bind(lease.expiresAt)
        statement.bind(row.key)
        try statement.run()
        precondition(db.changesCount == 1, "a job changed under the only writer's transaction")
        try append(transition.events, to: row.key, at: now)
        ledger.move(lane: row.place.lane, from: .queued, to: .running, runAt: job.runAt)
        ledger.publish(transition.topics(from: row.job), of: job)
        var row = row
        row.job = job
        row.input = try input(of: row.key)
        return row
    }

    private func input(of key: Int64) throws -> String? {
        var statement = try statement(Self.inputOfJob)
        statement.bind(key)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return statement.text(0)
    }

    /// What a heartbeat or a wish to cancel changes: no column of any index.
    private func updateRunning(_ row: JobRow, to job: Job, logs: Int) throws {
        var statement = try statement(Self.updateRunningRow)
        statement.bind(job.lease?.expiresAt)
        statement.bind(job.cancelRequestedAt)
        statement.bind(job.coldStart)
        statement.bind(logs)
        statement.bind(row.key)
        statement.bind(row.job.state.number)
        statement.bind(row.job.lease?.token)
        try statement.run()
        precondition(db.changesCount == 1, "a job changed under the only writer's transaction")
    }

    private func update(_ row: JobRow, to job: Job, logs: Int) throws {
        var statement = try statement(Self.updateRow)
        statement.bind(job.state.number)
        statement.bind(job.runAt)
        statement.bind(job.expiresAt)
        statement.bind(job.deadline)
        statement.bind(job.queuedUntil)
        statement.bind(job.startedAt)
        statement.bind(job.finishedAt)
        statement.bind(job.cancelRequestedAt)
        statement.bind(job.attempt)
        statement.bind(job.crashes)
        statement.bind(job.leases)
        statement.bind(job.lease?.token)
        statement.bind(job.lease?.worker)
        statement.bind(job.lease?.expiresAt)
        statement.bind(job.coldStart)
        statement.bind(logs)
        statement.bind(row.key)
        statement.bind(row.job.state.number)
        statement.bind(row.job.lease?.token)
        try statement.run()
        precondition(db.changesCount == 1, "a job changed under the only writer's transaction")
    }

    /// The columns that are JSON, when they changed.
    private func updateContents(_ row: JobRow, to job: Job) throws {
        let old = row.job
        if job.progress != old.progress, job.progress == nil {
            try execute("UPDATE job SET progress = NULL, progressAt = NULL, progressSequence = NULL WHERE key = ?", [row.key])
        }
        guard job.checkpoint != old.checkpoint || job.outputs != old.outputs || job.failure != old.failure
            || job.inlineOutputs != old.inlineOutputs
        else { return }
        var statement = try statement(Self.updateContentsOfRow)
        statement.bind(try JSONColumn.text(job.checkpoint))
        statement.bind(JSONColumn.text(unlessEmpty: job.outputs))
        statement.bind(JSONColumn.text(unlessEmpty: job.inlineOutputs))
        statement.bind(try JSONColumn.text(job.failure))
        statement.bind(row.key)
        try statement.run()
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

    /// Inserts a new job. Its row holds what no transition changes, too.
    /// - Parameter lease: how it is leased at once, if it is.
    /// - Returns: its row as a worker is given it.
    @discardableResult
    func insert(
        _ admission: JobTransition, leased lease: JobTransition?, _ cold: ColdColumns, _ idempotency: NewJob.Idempotency?
    ) throws -> JobRow {
        let now = now
        var job = (lease ?? admission).job
        let place = try lanes.place(for: LaneKey(job), in: db)
        try insertRow(job, place, cold)
        let key = db.lastInsertedRowID
        if let input = cold.input {
            var statement = try statement(Self.insertInput)
            statement.bind(key)
            statement.bind(input)
            try statement.run()
        }
        if let idempotency {
            try execute(
                "INSERT INTO idempotency (tenant, key, job, fingerprint) VALUES (?,?,?,?)",
                [job.tenant, idempotency.key, key, idempotency.fingerprint])
        }
        if !job.files.isEmpty { try useBlobs(admission, from: nil) }
        try append(admission.events + (lease?.events ?? []), to: key, at: now)
        ledger.move(lane: place.lane, from: nil, to: job.state, runAt: job.runAt)
        if lease != nil { try ledger.served(lane: place.lane, in: db) }
        ledger.publish(lease?.topics(from: admission.job) ?? admission.topics, of: job)
        (job.parameters, job.input) = ([:], nil)
        return JobRow(key: key, place: place, job: job, parameters: cold.parameters, input: cold.input, logs: 0)
    }

    private func insertRow(_ job: Job, _ place: LaneDirectory.Place, _ cold: ColdColumns) throws {
        var statement = try statement(Self.insertJobRow)
        statement.bind(job.id)
        statement.bind(place.queue)
        statement.bind(place.lane)
        statement.bind(job.state.number)
        statement.bind(job.runAt)
        statement.bind(job.createdAt)
        statement.bind(job.expiresAt)
        statement.bind(job.deadline)
        statement.bind(job.queuedUntil)
        statement.bind(job.startedAt)
        statement.bind(job.lease?.token)
        statement.bind(job.lease?.worker)
        statement.bind(job.lease?.expiresAt)
        statement.bind(job.attempt)
        statement.bind(job.crashes)
        statement.bind(job.leases)
        statement.bind(job.retry.attemptsMax)
        statement.bind(job.retry.crashesMax)
        statement.bind(job.retry.backoffBase)
        statement.bind(job.retry.backoffMax)
        statement.bind(job.runLimit)
        statement.bind(job.callback)
        statement.bind(job.traceparent)
        statement.bind(cold.parameters)
        statement.bind(cold.files)
        do {
            try statement.run()
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
            throw MillraceError.alreadyThere("job \(job.id)")
        }
    }

    // MARK: The statements

    private static let leaseRow = HotSQL(
        """
        UPDATE job SET state = 1, attempt = ?, leases = ?, startedAt = ?, finishedAt = NULL, token = ?, worker = ?, leaseUntil = ?, \
        progress = NULL, progressAt = NULL, progressSequence = NULL WHERE key = ? AND state = 0
        """)

    private static let inputOfJob = HotSQL(
        "SELECT input FROM payload WHERE job = ?")

    private static let updateRunningRow = HotSQL(
        "UPDATE job SET leaseUntil = ?, cancelRequestedAt = ?, coldStart = ?, logs = ? WHERE key = ? AND state = ? AND token IS ?")

    private static let updateRow = HotSQL(
        """
        UPDATE job SET state = ?, runAt = ?, expiresAt = ?, deadline = ?, queuedUntil = ?, startedAt = ?, finishedAt = ?, \
        cancelRequestedAt = ?, attempt = ?, crashes = ?, leases = ?, token = ?, worker = ?, leaseUntil = ?, \
        coldStart = ?, logs = ? WHERE key = ? AND state = ? AND token IS ?
        """)

    private static let updateContentsOfRow = HotSQL(
        "UPDATE job SET checkpoint = ?, outputs = ?, inlineOutputs = ?, failure = ? WHERE key = ?")

    private static let insertInput = HotSQL(
        "INSERT INTO payload (job, input) VALUES (?, ?)")

    private static let insertJobRow = HotSQL(
        """
        INSERT INTO job (id, queue, lane, state, runAt, createdAt, expiresAt, deadline, queuedUntil, startedAt, token, worker, leaseUntil, \
        attempt, crashes, leases, logs, attemptsMax, crashesMax, backoffBase, backoffMax, runLimit, callback, traceparent, parameters, files) \
        VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,?,?,?,?,?,?,?,?,?)
        """)
}

/// What is encoded before the writer is asked, so that the one writer spends no time on it.
struct ColdColumns: Sendable {
    var parameters: String?
    var input: String?
    var files: String?

    init(_ job: Job) {
        parameters = JSONColumn.text(unlessEmpty: job.parameters)
        input = job.input?.text
        files = JSONColumn.text(unlessEmpty: job.files)
    }
}
