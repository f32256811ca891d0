import CSyncCounter
import GRDB
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@testable import MillraceQueueSQLite

/// Jobs that go straight to a worker that waits, without being queued first.
@Suite("A job that comes while a worker waits", .timeLimit(.minutes(1)))
struct DirectStartTests {
    let clock = ManualClock()

    @Test("is durable, leased and told by one sync and written once, with the history that it would have had")
    func oneSync() async throws {
        try await withStore { store, path in
            // The lane and a block of numbers are there.
            _ = try await store.admit([NewJob(job: job())])
            _ = try await wait(in: store, jobsMax: 1).1.value
            let (worker, lease) = try await wait(in: store, jobsMax: 1)
            let before = sync_count(path + "-wal")
            let changes = try await store.write { $0.db.totalChangesCount }
            let job = job(input: "{\"a\":1}", deadline: clock.now + .seconds(60))
            _ = try await store.admit([NewJob(job: job, idempotency: .init(key: "k", fingerprint: "f"))])
            #expect(sync_count(path + "-wal") - before == 1)
            // The job, its input, its key and two events; its lane and its worker.
            #expect(try await store.write { $0.db.totalChangesCount } - changes == 7)
            let leased = try #require(try await lease.value.first)
            let stored = try #require(try await store.job(job.id))
            #expect(leased.id == job.id && leased.input == job.input && leased.parameters == job.parameters && leased.lease == stored.lease)
            #expect(stored.state == .running && stored.attempt == 1 && stored.lease?.worker == worker && stored.startedAt == clock.now)
            let states = try await store.events(of: job.id, after: 0, limit: 10).compactMap { event -> JobState? in
                if case .state(let change) = event.detail { change.state } else { nil }
            }
            #expect(states == [.queued, .running])
            // The same key says the same job, and what the worker holds is counted.
            let again = try await store.admit([NewJob(job: self.job(), idempotency: .init(key: "k", fingerprint: "f"))])
            #expect(again == [.existing(stored)])
            #expect(try await store.workers().map(\.jobsHeld) == [1, 1])
        }
    }

    @Test("is one of as many as the worker takes; the rest are queued, and inputs that are too large for one answer too")
    func room() async throws {
        try await withStore { store, _ in
            let (_, lease) = try await wait(in: store, jobsMax: 3)
            let jobs = (0..<5).map { _ in job() }
            _ = try await store.admit(jobs.map { NewJob(job: $0) })
            #expect(try await lease.value.map(\.id) == jobs[..<3].map(\.id))
            #expect(try await states(of: jobs, in: store) == [.running, .running, .running, .queued, .queued])

            let (_, next) = try await wait(in: store, jobsMax: 10, for: "b")
            let large = (0..<4).map { _ in job(variant: "b", input: "\"\(String(repeating: "x", count: 3 << 20))\"") }
            _ = try await store.admit(large.map { NewJob(job: $0) })
            #expect(try await next.value.count == 3)
            #expect(try await states(of: large, in: store) == [.running, .running, .running, .queued])
        }
    }

    @Test("leaves the worker to one of higher priority that came by the same request")
    func priority() async throws {
        try await withStore { store, _ in
            let (_, lease) = try await wait(in: store, jobsMax: 2)
            let jobs = [0, 0, 9].map { job(priority: $0) }
            _ = try await store.admit(jobs.map { NewJob(job: $0) })
            #expect(try await lease.value.map(\.id) == [jobs[2].id, jobs[0].id])
        }
    }

    @Test("waits its turn behind one that has become due")
    func turn() async throws {
        try await withStore { store, _ in
            let later = job(runAt: clock.now + .milliseconds(500))
            _ = try await store.admit([NewJob(job: later)])
            let (_, lease) = try await wait(in: store, jobsMax: 1)
            clock.advance(by: .milliseconds(600))
            let job = job()
            _ = try await store.admit([NewJob(job: job)])
            #expect(try await lease.value.map(\.id) == [later.id])
            #expect(try await states(of: [later, job], in: store) == [.running, .queued])
        }
    }

    @Test("is queued where nothing may run: a paused endpoint, a worker that drains, a limit of running jobs, a time to come")
    func refused() async throws {
        try await withStore { store, _ in
            let (worker, lease) = try await wait(in: store, jobsMax: 1)
            try await store.setMode(.paused, of: "ocr", reason: nil)
            let jobs = [job(), job(runAt: clock.now + .seconds(60))]
            _ = try await store.admit([NewJob(job: jobs[0])])
            try await store.setMode(.open, of: "ocr", reason: nil)
            #expect(try await lease.value.map(\.id) == [jobs[0].id], "when it is open again")
            _ = try await store.settle([report(try #require(try await store.job(jobs[0].id)))])

            try await store.drain([worker], by: nil)
            let (_, limited) = try await wait(in: store, jobsMax: 1, runningMax: 1)
            _ = try await store.admit([NewJob(job: jobs[1])])
            #expect(try await states(of: jobs, in: store) == [.succeeded, .queued])
            let (first, second) = (job(), job())
            _ = try await store.admit([NewJob(job: first)])
            #expect(try await limited.value.map(\.id) == [first.id])
            let (_, other) = try await wait(in: store, jobsMax: 1, runningMax: 1)
            _ = try await store.admit([NewJob(job: second)])
            #expect(try await states(of: [first, second], in: store) == [.running, .queued])
            _ = try await store.settle([report(try #require(try await store.job(first.id)))])
            #expect(try await other.value.map(\.id) == [second.id], "when there is room")
        }
    }

    @Test("costs the worker its place only when it stays")
    func undone() async throws {
        try await withStore { store, _ in
            let (_, lease) = try await wait(in: store, jobsMax: 1)
            let twice = job(variant: "b")
            _ = try await store.admit([NewJob(job: twice)])
            let job = job()
            // The second one is there already: nothing of this write stays.
            await #expect(throws: MillraceError.self) { try await store.admit([NewJob(job: job), NewJob(job: twice)]) }
            #expect(try await store.job(job.id) == nil)
            _ = try await store.admit([NewJob(job: job)])
            #expect(try await lease.value.map(\.id) == [job.id])
        }
    }

    private func withStore(_ body: (SQLiteStore, String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, surroundings: clock.surroundings)
            try await body(store, path)
            try await store.verifyLanes()
        }
    }

    /// A worker that waits for work.
    private func wait(
        in store: SQLiteStore, jobsMax: Int, for variant: String = "a", runningMax: Int? = nil
    ) async throws -> (WorkerID, Task<[Job], any Error>) {
        let worker = WorkerRecord.fixture(in: clock.surroundings)
        try await store.register(worker)
        var quotas = EndpointQuotas()
        quotas.endpoint.runningMax = runningMax
        let demand = LeaseDemand(
            worker: worker.id, endpoint: "ocr", variant: variant, jobsMax: jobsMax, duration: .seconds(15), request: 1, quotas: quotas)
        let task = Task { try await store.lease(demand, waiting: .seconds(600)) }
        try await eventually {
            // It waits, or has been given something at once.
            if store.parked.has(worker.id) { return true }
            return try await store.workers().contains { $0.id == worker.id && $0.jobsHeld > 0 }
        }
        return (worker.id, task)
    }

    private func job(variant: String = "a", priority: Int = 5, input: String? = nil, runAt: Timestamp? = nil, deadline: Timestamp? = nil) -> Job {
        var job = Job.fixture(runAt: runAt, in: clock.surroundings)
        job.variant = variant
        job.priority = priority
        job.input = input.map { RawJSON(trusting: $0) }
        job.deadline = deadline
        return job
    }

    private func report(_ job: Job) -> AttemptReport {
        AttemptReport(job: job.id, token: job.lease!.token, outcome: .succeeded(outputs: [], inline: []))
    }

    private func states(of jobs: [Job], in store: SQLiteStore) async throws -> [JobState?] {
        var states: [JobState?] = []
        for job in jobs { states.append(try await store.job(job.id)?.state) }
        return states
    }
}
