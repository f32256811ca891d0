import CSyncCounter
import Foundation
import GRDB
import MillraceCore
import MillraceQueue
import MillraceQueueSQLite
import MillraceTestSupport
import Testing

@Suite("What SQLite has accepted", .timeLimit(.minutes(2)))
struct DurabilityTests {
    let clock = ManualClock()

    @Test("is synced to the disk by each commit")
    func syncs() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, surroundings: clock.surroundings)
            let before = sync_count(path + "-wal")
            try #require(before >= 0, "syncs are counted on Linux only")
            for _ in 0..<50 { _ = try await store.admit([NewJob(job: .fixture(in: clock.surroundings))]) }
            #expect(sync_count(path + "-wal") - before >= 50)
        }
    }

    @Test("shares commits with what came at the same time")
    func groupCommit() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, surroundings: clock.surroundings)
            let before = sync_count(path + "-wal")
            let held = try HeldWriter(path: path)
            let jobs = (0..<400).map { _ in Job.fixture(in: clock.surroundings) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for job in jobs { group.addTask { _ = try await store.admit([NewJob(job: job)]) } }
                try held.release()
                try await group.waitForAll()
            }
            let syncs = sync_count(path + "-wal") - before
            #expect(syncs >= 1 && syncs < 100, "\(syncs) syncs for 400 writes at once")
            #expect(try await store.jobs(matching: .init(), after: nil, limit: 1000).count == 400)
        }
    }

    @Test("costs no sync where nothing changes")
    func noChange() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, surroundings: clock.surroundings)
            let worker = WorkerRecord.fixture(in: clock.surroundings)
            try await store.register(worker)
            let before = sync_count(path)
            for _ in 0..<20 {
                _ = try await store.lease(
                    LeaseDemand(worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 5, duration: .seconds(15)))
                _ = try await store.rescue(limit: 5)
            }
            #expect(sync_count(path) == before)
        }
    }

    @Test("is there after a crash of the process")
    func crash() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            let jobs = (0..<20).map { _ in Job.fixture(in: clock.surroundings) }
            for job in jobs { _ = try await store.admit([NewJob(job: job)]) }
            // What a killed process leaves: the files as they are, with the log not yet written back.
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(
                    atPath: directory.file("store.sqlite" + suffix), toPath: directory.file("after.sqlite" + suffix))
            }
            let after = try SQLiteStore(path: directory.file("after.sqlite"), surroundings: clock.surroundings)
            for job in jobs { #expect(try await after.job(job.id) == job) }
        }
    }

    @Test("is there after closing and opening again")
    func reopen() async throws {
        try await withTemporaryDirectory { directory in
            let job = Job.fixture(in: clock.surroundings)
            let first = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            _ = try await first.admit([NewJob(job: job)])
            try first.close()
            await #expect(throws: (any Error).self) { try await first.cancel(job.id) }
            let second = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            #expect(try await second.job(job.id) == job)
        }
    }

    @Test("is carried out and told of although its task was cancelled")
    func cancelled() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            let held = try HeldWriter(path: directory.file("store.sqlite"))
            let job = Job.fixture(in: clock.surroundings)
            try await withThrowingTaskGroup(of: [Admission].self) { group in
                group.addTask { try await store.admit([NewJob(job: job)]) }
                group.cancelAll()
                try held.release()
                #expect(try await group.next() == [.admitted(job)])
            }
            #expect(try await store.job(job.id) == job)
        }
    }

    @Test("can be read by another connection while it is written")
    func reading() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, surroundings: clock.surroundings)
            var configuration = Configuration()
            configuration.readonly = true
            let doctor = try DatabaseQueue(path: path, configuration: configuration)
            for count in 1...5 {
                _ = try await store.admit([NewJob(job: .fixture(in: clock.surroundings))])
                #expect(try await doctor.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM job") } == count)
            }
        }
    }
}

/// Another connection that holds the write lock, so that a store's writes gather.
final class HeldWriter: Sendable {
    private let queue: DatabaseQueue

    init(path: String) throws {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .timeout(10)
        queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.inDatabase { try $0.execute(sql: "BEGIN IMMEDIATE") }
    }

    func release() throws {
        try queue.inDatabase { try $0.execute(sql: "ROLLBACK") }
    }
}
