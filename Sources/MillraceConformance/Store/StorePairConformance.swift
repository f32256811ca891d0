import MillraceCore
import MillraceQueue
import MillraceTestSupport

/// What two facades on one store promise: two gateways, or two processes, on one database.
public enum StorePairConformance {
    public static let cases: [StorePairCase] = [
        promise("two facades lease disjoint jobs at the same time") { one, two, bench in
            for _ in 0..<60 { _ = try await bench.submit() }
            let ids = try await bench.leaseConcurrently(workers: 6, on: [one, two])
            try expectEqual(ids.count, 60, "leased")
            try expectEqual(Set(ids).count, 60, "different jobs")
        },
        promise("what one facade has admitted the other sees at once") { one, two, bench in
            let job = try await bench.submit()
            try expectEqual(try await two.job(job.id), job, "job")
        },
        promise("identical submits to two facades become one job") { one, two, bench in
            let ids = try await withThrowingTaskGroup(of: JobID?.self) { group in
                for store in [one, two, one, two, one, two] {
                    let new = NewJob(job: .fixture(in: bench.surroundings), idempotency: .init(key: "key", fingerprint: "body"))
                    group.addTask {
                        switch try head(of: try await store.admit([new])) {
                        case .admitted(let job), .existing(let job): job.id
                        case .conflict, .refused: nil
                        }
                    }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            try expectEqual(ids.count, 1, "jobs")
        },
        promise("a lease of one facade is renewed and ended at the other") { one, two, bench in
            let job = try await bench.running()
            let other = StoreBench(store: two, clock: bench.clock)
            try expectEqual(try await other.renew(job), .held, "renewal")
            try expectEqual(try await other.settle(job, .succeeded(outputs: [])), .held, "settling")
            try expectEqual(try await bench.settle(job, .succeeded(outputs: [])), .lost, "second settling")
        },
        promise("of two facades that settle the same attempt at once, one is heard") { one, two, bench in
            for _ in 0..<10 {
                let job = try await bench.running(.fixture(callback: "https://example.com", in: bench.surroundings))
                let verdicts = try await withThrowingTaskGroup(of: LeaseVerdict.self) { group in
                    for store in [one, two] {
                        group.addTask { try await StoreBench(store: store, clock: bench.clock).settle(job, .succeeded(outputs: [])) }
                    }
                    return try await group.reduce(into: Set()) { $0.insert($1) }
                }
                try expectEqual(verdicts, [.held, .lost], "verdicts")
                try expectEqual(try await one.deliveries(of: job.id).count, 1, "deliveries")
            }
        },
        promise("two facades cannot both lead, and the epoch of the one is over for the other") { one, two, bench in
            for role in LeadershipRole.allCases {
                let leaders = try await withThrowingTaskGroup(of: Leadership?.self) { group in
                    for store in [one, two, one, two] {
                        let candidate: CandidateID = bench.surroundings.makeID()
                        group.addTask { try await store.lead(role, as: candidate, for: .seconds(10)) }
                    }
                    return try await group.reduce(into: []) { $0 += [$1].compactMap(\.self) }
                }
                try expectEqual(leaders.map(\.epoch), [1], "leaders of \(role)")
                let first = try head(of: leaders)
                bench.clock.advance(by: .seconds(10))
                let second = try require(try await two.lead(role, as: bench.surroundings.makeID(), for: .seconds(10)), "leadership")
                try expectEqual(second.epoch, 2, "epoch of \(role)")
                try await bench.expectError(.leadershipLost) { _ = try await one.rescue(limit: 1, by: first) }
                _ = try await one.rescue(limit: 1, by: second)
            }
        },
        promise("what one facade pauses the other does not lease, and fair shares hold over both") { one, two, bench in
            let other = StoreBench(store: two, clock: bench.clock)
            for tenant in ["first", "second"] { _ = try await bench.submit(20, tenant: tenant) }
            try await two.setMode(.paused, of: "ocr", reason: nil)
            try expectEqual(try await bench.lease(try await bench.worker()), [], "paused")
            try await one.setMode(.open, of: "ocr", reason: nil)
            var running: [Job] = []
            for _ in 0..<4 {
                running += try await bench.lease(try await bench.worker(), jobsMax: 1)
                running += try await other.lease(try await bench.worker(), jobsMax: 3)
            }
            try expectEqual(running.byTenant, ["first": 8, "second": 8], "running")
        },
        promise("a worker that waits at one facade gets what another takes in, within a second") { one, two, bench in
            let wait = try await bench.waiting(try await bench.worker())
            let job = try await StoreBench(store: two, clock: bench.clock).submit()
            try expectEqual(try await bench.letTimePass(until: wait).map(\.id), [job.id], "leased")
            try expect(bench.clock.now.since(job.createdAt) <= .seconds(2), "it took \(bench.clock.now.since(job.createdAt))")
        },
    ]

    private static func promise(
        _ name: String, _ body: @escaping @Sendable (any Store, any Store, StoreBench) async throws -> Void
    ) -> StorePairCase {
        StorePairCase(name) { factory in
            let clock = ManualClock()
            let (one, two) = try await factory(clock.surroundings)
            try await body(one, two, StoreBench(store: one, clock: clock))
        }
    }
}
