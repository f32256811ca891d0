import CSyncCounter
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Synchronization
import Testing

@testable import MillraceQueueSQLite

/// The writer's wait for a submit to write a report with.
@Suite("A report, while writes come one after the other", .timeLimit(.minutes(1)))
struct ReportPatienceTests {
    let clock = ManualClock()

    @Test("is synced with the next submit, and a look for work neither waits for it nor takes it along")
    func along() async throws {
        try await withStore(patience: .seconds(600)) { store, path in
            let (worker, job) = try await runningJob(in: store)
            let before = sync_count(path + "-wal")
            try #require(before >= 0, "syncs are counted on Linux only")
            let isReported = Atomic(false)
            async let reported: Void = {
                try await settle(job, in: store)
                isReported.store(true, ordering: .relaxed)
            }()
            for _ in 0..<20 { _ = try await store.lease(demand(of: worker)) }
            #expect(sync_count(path + "-wal") == before)
            var submits = 0
            while !isReported.load(ordering: .relaxed), submits < 1000 {
                _ = try await store.admit([NewJob(job: .fixture(endpoint: "other", in: clock.surroundings))])
                submits += 1
            }
            try await reported
            #expect(sync_count(path + "-wal") - before == submits)
            #expect(try await store.job(job.id)?.state == .succeeded)
        }
    }

    @Test("is written alone when its patience is over")
    func alone() async throws {
        try await withStore(patience: .milliseconds(1)) { store, _ in
            let (_, job) = try await runningJob(in: store)
            try await settle(job, in: store)
            #expect(try await store.job(job.id)?.state == .succeeded)
        }
    }

    @Test("and those that come while the writer waits are written with it")
    func many() async throws {
        try await withStore(patience: .milliseconds(200)) { store, path in
            var jobs: [Job] = []
            for _ in 0..<10 { jobs.append(try await runningJob(in: store).job) }
            let before = sync_count(path + "-wal")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for job in jobs { group.addTask { try await settle(job, in: store) } }
                try await group.waitForAll()
            }
            #expect(sync_count(path + "-wal") - before < 10)
        }
    }

    private func withStore(patience: Duration, _ body: (SQLiteStore, String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            var options = SQLiteOptions()
            options.reportPatience = patience
            // However slow the machine is.
            options.reportWindow = .seconds(600)
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, options: options, surroundings: clock.surroundings)
            for _ in 0..<WriteGathering.siblings {
                _ = try await store.admit([NewJob(job: .fixture(endpoint: "other", in: clock.surroundings))])
            }
            try await body(store, path)
        }
    }

    private func runningJob(in store: SQLiteStore) async throws -> (worker: WorkerID, job: Job) {
        let worker = WorkerRecord.fixture(in: clock.surroundings)
        try await store.register(worker)
        _ = try await store.admit([NewJob(job: .fixture(in: clock.surroundings))])
        let leased = try await store.lease(demand(of: worker.id))
        return (worker.id, try #require(leased.first))
    }

    private func demand(of worker: WorkerID) -> LeaseDemand {
        LeaseDemand(worker: worker, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15))
    }

    private func settle(_ job: Job, in store: SQLiteStore) async throws {
        let lease = try #require(job.lease)
        _ = try await store.settle([AttemptReport(job: job.id, token: lease.token, outcome: .succeeded(outputs: [], inline: []))])
    }
}
