import MillraceCore
import MillraceQueue
import MillraceQueueSQLite
import MillraceTestSupport
import Testing

/// What the SQLite store promises beyond its seam: it knows who waits.
@Suite("Workers that wait for the SQLite store", .timeLimit(.minutes(1)))
struct WaitingOrderTests {
    let clock = ManualClock()

    @Test("are served who came last first, one job each")
    func order() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            try await withThrowingTaskGroup(of: (Int, [JobID]).self) { group in
                for number in 0..<4 {
                    let worker = WorkerRecord.fixture(in: clock.surroundings)
                    try await store.register(worker)
                    let demand = LeaseDemand(worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15))
                    group.addTask { (number, try await store.lease(demand, waiting: .seconds(600)).map(\.id)) }
                    try await clock.waitForSleepers(number + 1)
                }
                for number in 0..<2 {
                    let job = Job.fixture(in: clock.surroundings)
                    _ = try await store.admit([NewJob(job: job)])
                    let served = try #require(try await group.next())
                    #expect(served == (3 - number, [job.id]))
                }
                let twins = (0..<2).map { _ in Job.fixture(in: clock.surroundings) }
                _ = try await store.admit(twins.map { NewJob(job: $0) })
                let served = try await [group.next(), group.next()].compactMap(\.self).sorted { $0.0 < $1.0 }
                #expect(served.map(\.0) == [0, 1])
                #expect(served.map(\.1) == twins.reversed().map { [$0.id] })
            }
        }
    }

    @Test("keep their places however often they look by themselves, and the one whose job ended last is served")
    func looks() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            try await withThrowingTaskGroup(of: (Int, [JobID]).self) { group in
                for number in 0..<3 {
                    let worker = WorkerRecord.fixture(in: clock.surroundings)
                    try await store.register(worker)
                    let demand = LeaseDemand(worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15))
                    group.addTask { (number, try await store.lease(demand, waiting: .seconds(600)).map(\.id)) }
                    try await clock.waitForSleepers(number + 1)
                    clock.advance(by: .milliseconds(300))
                }
                // The first looks again at 1 s, the second at 1.3 s, and the last, which became idle last, at 1.6 s.
                clock.advance(by: .milliseconds(200))
                try await clock.waitForSleepers(3)
                for number in [2, 1, 0] {
                    let job = Job.fixture(in: clock.surroundings)
                    _ = try await store.admit([NewJob(job: job)])
                    #expect(try #require(try await group.next()) == (number, [job.id]))
                }
            }
        }
    }

    @Test("keep their places when the jobs that came are for others")
    func places() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            try await withThrowingTaskGroup(of: (Int, [JobID]).self) { group in
                for number in 0..<2 {
                    let worker = WorkerRecord.fixture(in: clock.surroundings)
                    try await store.register(worker)
                    let demand = LeaseDemand(worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15))
                    group.addTask { (number, try await store.lease(demand, waiting: .seconds(600)).map(\.id)) }
                    try await clock.waitForSleepers(number + 1)
                }
                // One for later wakes the last in vain.
                let later = Job.fixture(runAt: clock.now + .seconds(3600), in: clock.surroundings)
                let job = Job.fixture(in: clock.surroundings)
                for new in [later, job] { _ = try await store.admit([NewJob(job: new)]) }
                #expect(try #require(try await group.next()) == (1, [job.id]))
                group.cancelAll()
                while let rest = await group.nextResult() { #expect((try? rest.get()) == nil) }
            }
        }
    }
}
