import GRDB
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@testable import MillraceQueueSQLite

@Suite("Numbers of events")
struct NumberingTests {
    let clock = ManualClock()

    @Test("are written once for many, and rise over a restart and beside another process")
    func blocks() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let first = try SQLiteStore(path: path, surroundings: clock.surroundings)
            #expect(try await submit(3, to: first) == [1, 2, 3])
            let written = try await counter(of: first)
            #expect(try await submit(2, to: first) == [4, 5])
            #expect(try await counter(of: first) == written)

            // Another process at the same file takes a block of its own; whoever writes next has a later number.
            let second = try SQLiteStore(path: path, surroundings: clock.surroundings)
            var numbers: [Int64] = [5]
            for store in [second, first, first, second, first] { numbers += try await submit(2, to: store) }
            #expect(numbers == Array(Set(numbers)).sorted())
            try first.close()
            try second.close()

            let third = try SQLiteStore(path: path, surroundings: clock.surroundings)
            #expect(try await submit(1, to: third)[0] > numbers.last!)
            try await third.verifyLanes()
        }
    }

    @Test("of a write that was undone are given to the next, over the end of a block too")
    func undone() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            let jobs = (0..<12_000).map { _ in Job.fixture(in: clock.surroundings) }
            await #expect(throws: MillraceError.self) { try await store.admit((jobs + [jobs[0]]).map { NewJob(job: $0) }) }
            #expect(try await submit(1, to: store) == [1])
            _ = try await store.admit(jobs.map { NewJob(job: $0) })
            #expect(try await store.events(of: jobs.last!.id, after: 0, limit: 1).map(\.sequence) == [12_001])
            try await store.verifyLanes()
        }
    }

    /// The numbers of the events of new jobs.
    private func submit(_ count: Int, to store: SQLiteStore) async throws -> [Int64] {
        var numbers: [Int64] = []
        for _ in 0..<count {
            let job = Job.fixture(in: clock.surroundings)
            _ = try await store.admit([NewJob(job: job)])
            numbers += try await store.events(of: job.id, after: 0, limit: 10).map(\.sequence)
        }
        return numbers
    }

    private func counter(of store: SQLiteStore) async throws -> Int64? {
        try await store.pool.read { try Int64.fetchOne($0, sql: "SELECT sequence FROM counter") }
    }
}
