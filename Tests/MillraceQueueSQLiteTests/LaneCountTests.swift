import GRDB
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@testable import MillraceQueueSQLite

@Suite("The counts of lanes", .timeLimit(.minutes(2)))
struct LaneCountTests {
    let clock = ManualClock()
    private struct Broken: Error {}

    private func new(_ tenant: String, id: JobID? = nil) -> NewJob {
        NewJob(job: .fixture(id: id, tenant: tenant, in: clock.surroundings))
    }

    @Test("stay right when writes of a group are undone in the middle, whatever they had flushed", arguments: [false, true])
    func undone(flushes: Bool) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, surroundings: clock.surroundings)
            let taken = new("acme")
            _ = try await store.admit([taken])
            let held = try HeldWriter(path: path)
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<60 {
                    // Each undone write made a lane of its own first, which is gone with it.
                    let (good, bad) = (new("tenant \(index % 5)"), new("gone \(index % 7)"))
                    group.addTask { (try? await store.admit([good])) != nil }
                    group.addTask {
                        let done: Void? = try? await store.write { step in
                            var door = Door(step: step, quotas: EndpointQuotas(), haveOneLane: true)
                            _ = try door.admit(bad, ColdColumns(bad.job))
                            if flushes { try step.ledger.flush(step.db) }
                            throw Broken()
                        }
                        return done != nil
                    }
                }
                #expect(throws: Never.self) { try held.release() }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 } == 60)
            try await store.verifyLanes()
            #expect(try await store.count(matching: JobFilter()) == 61)
            #expect(try await store.count(matching: JobFilter(tenant: "gone 1")) == 0)
            // The lanes that were undone can be made again.
            for index in 0..<7 { _ = try await store.admit([new("gone \(index)")]) }
            try await store.verifyLanes()
            #expect(try await store.count(matching: JobFilter(states: [.queued])) == 68)
        }
    }

    @Test("stay right when one call fails after some of its jobs were written")
    func partial() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path, surroundings: clock.surroundings)
            let taken = new("acme")
            _ = try await store.admit([taken])
            let held = try HeldWriter(path: path)
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<20 {
                    let jobs = (0..<5).map { _ in new("tenant \(index % 3)") } + [index % 2 == 0 ? new("acme", id: taken.job.id) : new("acme")]
                    group.addTask { _ = try? await store.admit(jobs) }
                }
                #expect(throws: Never.self) { try held.release() }
            }
            try await store.verifyLanes()
            #expect(try await store.count(matching: JobFilter()) == 61)
        }
    }

    @Test("are noticed when they are wrong")
    func canary() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"), surroundings: clock.surroundings)
            _ = try await store.admit([new("acme")])
            try await store.pool.write { try $0.execute(sql: "UPDATE lane SET queued = 2, readyAt = 9223372036854775807") }
            await withKnownIssue { try await store.verifyLanes() }
        }
    }
}
