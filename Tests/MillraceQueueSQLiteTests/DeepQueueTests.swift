import GRDB
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Synchronization
import Testing

@testable import MillraceQueueSQLite

/// What the store really asks SQLite, on a queue of 100,000 jobs: every statement that runs is caught, and its plan read.
@Suite("With 100,000 jobs", .timeLimit(.minutes(3)))
struct DeepQueueTests {
    let clock = ManualClock()
    private let statements = CaughtStatements()

    @Test("no list, count, lease, cancel, redrive or clean-up walks through them")
    func plans() async throws {
        try await withTemporaryDirectory { directory in
            var options = SQLiteOptions()
            options.readersMax = 1
            let store = try SQLiteStore(path: directory.file("store.sqlite"), options: options, surroundings: clock.surroundings)
            try await fill(store)
            try await work(store)
            let plans = try await readPlans(in: store)
            try await store.verifyLanes()
            #expect(plans.count > 25, "the statements were not caught")
            for (sql, plan) in plans {
                let faults = plan.filter { Self.walks($0) }
                #expect(faults.isEmpty, "\(faults) in \(sql)")
            }
        }
    }

    /// Whether a line of a plan says that all jobs, or all of what hangs on them, are looked at. Those that run are few.
    private static func walks(_ line: String) -> Bool {
        guard ["job", "event", "payload", "idempotency", "delivery"].contains(where: { line.hasPrefix("SCAN \($0)") }) else { return false }
        return !line.contains("INDEX job_held")
    }

    /// 50,000 jobs that wait and 50,000 that ended, of five tenants, in one statement.
    private func fill(_ store: SQLiteStore) async throws {
        for tenant in 0..<5 {
            let job = Job.fixture(tenant: "tenant \(tenant)", in: clock.surroundings)
            _ = try await store.admit([NewJob(job: job)])
        }
        try await store.pool.write { db in
            try db.execute(
                sql: """
                    INSERT INTO job (id, queue, lane, state, runAt, createdAt, startedAt, finishedAt, attempt, crashes, leases, logs, \
                    attemptsMax, crashesMax, backoffBase, backoffMax, runLimit, failure) \
                    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99995) \
                    SELECT randomblob(16), queue, lane, iif(i % 2, 0, 3), runAt + i, createdAt + i, iif(i % 2, NULL, runAt), \
                    iif(i % 2, NULL, runAt + i), 0, 0, 0, 0, 3, 3, 1000, 1000, 60000, \
                    iif(i % 2, NULL, '{"code":"mine","message":"","retryable":false}') \
                    FROM n JOIN (SELECT queue, lane, runAt, createdAt, row_number() OVER () AS number FROM job) ON number = 1 + i / 2 % 5
                    """)
            try db.execute(
                sql: """
                    UPDATE lane SET queued = (SELECT count(*) FROM job WHERE job.lane = lane.id AND state = 0), \
                    failed = (SELECT count(*) FROM job WHERE job.lane = lane.id AND state = 3)
                    """)
        }
        clock.advance(by: .seconds(200))
    }

    /// Everything that a queue is asked.
    private func work(_ store: SQLiteStore) async throws {
        try await watch(store)
        let worker = WorkerRecord.fixture(in: clock.surroundings)
        try await store.register(worker)
        let demand = LeaseDemand(
            worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 10, duration: .seconds(15), held: [],
            quotas: EndpointQuotas(endpoint: Quota(runningMax: 1000), tenant: Quota(runningMax: 100)))
        let leased = try await store.lease(demand)
        #expect(leased.count == 10)
        let now = clock.now
        for filter in filters(now) {
            let listed = try await store.jobs(matching: filter, after: nil, limit: 20)
            _ = try await store.jobs(matching: filter, after: listed.last?.id, limit: 20)
            _ = try await store.count(matching: filter)
            #expect(try await store.cancel(matching: filter, limit: 3) <= 3)
            #expect(try await store.redrive(matching: filter, limit: 3) <= 3)
        }
        let quotas = EndpointQuotas(endpoint: Quota(queuedMax: 1_000_000), tenant: Quota(queuedMax: 1_000_000, rate: RateLimit(jobs: 9, per: .seconds(1))))
        let key = NewJob.Idempotency(key: "key", fingerprint: "body")
        for _ in 0..<2 { _ = try await store.admit([NewJob(job: .fixture(in: clock.surroundings), idempotency: key)], within: quotas) }
        _ = try await store.renew(leased.map { LeaseRenewal(job: $0.id, token: $0.lease!.token, duration: .seconds(15)) })
        _ = try await store.settle(leased.map { AttemptReport(job: $0.id, token: $0.lease!.token, outcome: .succeeded(outputs: [])) })
        _ = try await store.rescue(limit: 10)
        _ = try await store.abandon(worker: worker.id, atRisk: [], reason: "signal 9", stderrTail: nil)
        _ = try await store.backlog()
        _ = try await store.lanes(of: "ocr")
        _ = try await store.serviceTimes(of: "ocr", limit: 100)
        let waiting = try #require(try await store.jobs(matching: JobFilter(states: [.queued]), after: nil, limit: 1).first)
        _ = try await store.queuedAhead(of: waiting.id, countingTo: 1000)
        _ = try await store.events(of: waiting.id, after: 0, limit: 10)
        _ = try await store.deliveries(of: waiting.id)
        #expect(try await store.prune(EndpointRetention(endpoint: "ocr", age: .seconds(60), jobsMax: 40_000), at: now, limit: 5, by: nil) == 5)
    }

    private func filters(_ now: Timestamp) -> [JobFilter] {
        [
            JobFilter(), JobFilter(tenant: "tenant 1"), JobFilter(endpoint: "ocr"), JobFilter(tenant: "tenant 1", endpoint: "ocr", states: [.failed]),
            JobFilter(states: [.queued, .running]), JobFilter(tenant: "nobody"), JobFilter(endpoint: "ocr", states: [.failed], failureCode: "mine"),
            JobFilter(tenant: "tenant 1", createdFrom: now - .seconds(150), createdBefore: now - .seconds(120)),
        ]
    }

    /// Catches what runs from now on, on the writer's connection and on the only reader's.
    private func watch(_ store: SQLiteStore) async throws {
        let trace: @Sendable (Database.TraceEvent) -> Void = { [statements] event in
            guard case .statement(let statement) = event else { return }
            statements.all.withLock { _ = $0.insert(statement.sql) }
        }
        try await store.pool.writeWithoutTransaction { $0.trace(options: .statement, trace) }
        try await store.pool.read { $0.trace(options: .statement, trace) }
    }

    private func readPlans(in store: SQLiteStore) async throws -> [(String, [String])] {
        let caught = statements.all.withLock { $0 }.filter { sql in ["SELECT", "UPDATE", "DELETE"].contains { sql.hasPrefix($0) } }
        return try await store.pool.read { db in
            try caught.map { sql in
                let arguments = StatementArguments(Array(repeating: 0, count: sql.contains("?2") ? 2 : sql.count { $0 == "?" }))
                return (sql, try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments).map { $0["detail"] as String })
            }
        }
    }
}

private final class CaughtStatements: Sendable {
    let all = Mutex<Set<String>>([])
}
