import Foundation
import GRDB
import MillraceCore
import MillraceQueue

/// A job as it lies in the table, with the key its events and deliveries refer to.
///
/// What no rule looks at, parameters and inline input, stays text until somebody wants it: it may be long, and the one
/// writer has no time for it.
struct JobRow: Sendable {
    var key: Int64
    /// The job without its parameters and inline input.
    var job: Job
    var parameters: String?
    var input: String?
    /// Log lines written so far.
    var logs: Int

    /// The columns that ``init(_:)`` reads, in its order.
    static let columns = """
        key, id, tenant, endpoint, variant, state, priority, runAt, createdAt, expiresAt, startedAt, finishedAt, \
        cancelRequestedAt, attempt, crashes, leases, token, worker, leaseUntil, coldStart, attemptsMax, crashesMax, \
        backoffBase, backoffMax, runLimit, callback, traceparent, parameters, input, files, progress, checkpoint, outputs, \
        failure, logs
        """

    init(_ row: Row) throws {
        key = row[0]
        parameters = row[27]
        input = row[28]
        logs = row[34]
        var job = Job(
            id: JobID(column: row[1]), tenant: row[2], endpoint: row[3], variant: row[4], priority: row[6],
            files: try JSONColumn.value(row[29]) ?? [], callback: row[25],
            retry: RetryPolicy(
                attemptsMax: row[20], crashesMax: row[21], backoffBase: .milliseconds(row[22] as Int64),
                backoffMax: .milliseconds(row[23] as Int64)),
            runLimit: .milliseconds(row[24] as Int64), traceparent: row[26],
            createdAt: Timestamp(milliseconds: row[8]), runAt: Timestamp(milliseconds: row[7]),
            expiresAt: Timestamp(column: row[9]))
        job.state = JobState(column: row[5])
        job.startedAt = Timestamp(column: row[10])
        job.finishedAt = Timestamp(column: row[11])
        job.cancelRequestedAt = Timestamp(column: row[12])
        job.attempt = row[13]
        job.crashes = row[14]
        job.leases = row[15]
        if let token = row[16] as Data?, let worker = row[17] as Data?, let until = Timestamp(column: row[18]) {
            job.lease = Lease(token: LeaseToken(column: token), worker: WorkerID(column: worker), expiresAt: until)
        }
        job.coldStart = (row[19] as Int64?).map { .milliseconds($0) }
        job.progress = try JSONColumn.value(row[30])
        job.checkpoint = try JSONColumn.value(row[31])
        job.outputs = try JSONColumn.value(row[32]) ?? []
        job.failure = try JSONColumn.value(row[33])
        self.job = job
    }

    /// A job of this row, as the table or a transition has it, with its parameters.
    func complete(_ job: Job) throws -> Job {
        var job = job
        job.parameters = try JSONColumn.value(parameters) ?? [:]
        return job
    }

    func completeJob() throws -> Job { try complete(job) }

    /// The job with its inline input, for the worker that leases it.
    func leasedJob() throws -> Job {
        var job = try completeJob()
        job.input = try JSONColumn.value(input)
        return job
    }

    static func find(_ id: JobID, in db: Database) throws -> JobRow? {
        let statement = try db.cachedStatement(sql: "SELECT \(columns) FROM job WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id.data]).map(JobRow.init)
    }

    static func all(_ query: JobQuery, _ arguments: StatementArguments, in db: Database) throws -> [JobRow] {
        try all(query.rawValue, arguments, in: db)
    }

    /// Sorts jobs by when their lease ends.
    var leaseOrder: (Timestamp, JobID) { (job.lease?.expiresAt ?? job.createdAt, job.id) }

    /// The jobs that a condition on the table selects, in its order.
    static func all(_ condition: String, _ arguments: StatementArguments, in db: Database) throws -> [JobRow] {
        let statement = try db.cachedStatement(sql: "SELECT \(columns) FROM job \(condition)")
        return try Row.fetchAll(statement, arguments: arguments).map(JobRow.init)
    }
}
