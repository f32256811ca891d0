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
