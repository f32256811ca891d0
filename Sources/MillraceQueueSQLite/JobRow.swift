import GRDB
import MillraceCore
import MillraceQueue

/// A job as it lies in the table, with the numbers that its events, deliveries and lane refer to it by.
///
/// What no rule looks at, parameters and inline input, stays text until somebody wants it: it may be long, and the one
/// writer has no time for it.
struct JobRow: Sendable {
    var key: Int64
    var place: LaneDirectory.Place
    /// The job without its parameters and inline input.
    var job: Job
    var parameters: String?
    /// Only of a leased job.
    var input: String?
    /// Log lines written so far.
    var logs: Int

    /// The columns that ``init(_:_:)`` reads, in its order.
    static let columns = """
        key, id, lane, state, runAt, createdAt, expiresAt, deadline, startedAt, finishedAt, cancelRequestedAt, attempt, crashes, \
        leases, token, worker, leaseUntil, coldStart, logs, attemptsMax, crashesMax, backoffBase, backoffMax, runLimit, callback, \
        traceparent, parameters, files, progress, checkpoint, outputs, inlineOutputs, failure
        """

    /// A job of this row, as the table or a transition has it, with its parameters.
    func complete(_ job: Job) throws -> Job {
        guard let parameters else { return job }
        var job = job
        job.parameters = JSONColumn.parameters(parameters)
        return job
    }

    func completeJob() throws -> Job { try complete(job) }

    /// The job with its inline input, for the worker that leases it.
    func leasedJob() throws -> Job {
        var job = try completeJob()
        job.input = input.map { RawJSON(trusting: $0) }
        return job
    }

    /// Sorts jobs by when their lease ends.
    var leaseOrder: (Timestamp, JobID) { (job.lease?.expiresAt ?? job.createdAt, job.id) }
}

extension JobRow {
    /// Reads ``columns``.
    init(_ row: RawStatement, _ lane: (Int64) throws -> LaneDirectory.Place) throws {
        key = Int64(row.int(0))
        place = try lane(Int64(row.int(2)))
        parameters = row.text(26)
        logs = row.int(18)
        guard let id: JobID = row.id(1) else { preconditionFailure("a job has no id") }
        job = Job(
            id: id, tenant: place.key.tenant, endpoint: place.key.endpoint, variant: place.key.variant, priority: place.key.priority,
            files: try JSONColumn.value(row.text(27)) ?? [], callback: row.text(24),
            retry: RetryPolicy(
                attemptsMax: row.int(19), crashesMax: row.int(20), backoffBase: row.duration(21), backoffMax: row.duration(22)),
            runLimit: row.duration(23), traceparent: row.text(25), createdAt: row.time(5), runAt: row.time(4),
            expiresAt: row.optionalTime(6), deadline: row.optionalTime(7))
        job.state = JobState(column: row.int(3))
        job.startedAt = row.optionalTime(8)
        job.finishedAt = row.optionalTime(9)
        job.cancelRequestedAt = row.optionalTime(10)
        job.attempt = row.int(11)
        job.crashes = row.int(12)
        job.leases = row.int(13)
        if let token: LeaseToken = row.id(14), let worker: WorkerID = row.id(15) {
            job.lease = Lease(token: token, worker: worker, expiresAt: row.time(16))
        }
        if !row.isNull(17) { job.coldStart = row.duration(17) }
        job.progress = try JSONColumn.value(row.text(28))
        job.checkpoint = try JSONColumn.value(row.text(29))
        job.outputs = try JSONColumn.value(row.text(30)) ?? []
        job.inlineOutputs = try JSONColumn.value(row.text(31)) ?? []
        job.failure = try JSONColumn.value(row.text(32))
    }
}

/// Where rows of jobs are read: on the writer's connection or on a reader's.
protocol JobReading {
    var db: Database { get }
    var lanes: LaneDirectory { get }
    func statement(_ sql: HotSQL) throws -> RawStatement
}

/// A connection that only reads.
struct ReadStep: JobReading {
    let db: Database
    let lanes: LaneDirectory

    func statement(_ sql: HotSQL) throws -> RawStatement { try RawStatement(sql.text, in: db) }
}

extension JobRow {
    static func find(_ id: JobID, in reading: some JobReading) throws -> JobRow? {
        var statement = try reading.statement(byID)
        statement.bind(id)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return try JobRow(statement) { try reading.lanes.place($0, in: reading.db) }
    }

    private static let byID = HotSQL("SELECT \(columns) FROM job WHERE id = ?")
    static let ready = HotSQL("SELECT \(columns) FROM job \(JobQuery.ready.rawValue)")

    static func all(_ query: JobQuery, in reading: some JobReading, _ bind: (inout RawStatement) -> Void) throws -> [JobRow] {
        try all(query.rawValue, in: reading, bind)
    }

    /// The jobs that a condition on the table selects, in its order.
    static func all(_ condition: String, in reading: some JobReading, _ bind: (inout RawStatement) -> Void) throws -> [JobRow] {
        var statement = try RawStatement("SELECT \(columns) FROM job \(condition)", in: reading.db)
        bind(&statement)
        return try read(&statement, in: reading)
    }

    static func read(_ statement: inout RawStatement, in reading: some JobReading) throws -> [JobRow] {
        var rows: [JobRow] = []
        while try statement.step() {
            do {
                rows.append(try JobRow(statement) { try reading.lanes.place($0, in: reading.db) })
            } catch {
                statement.reset()
                throw error
            }
        }
        return rows
    }
}
