import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let leadership: [StoreCase] = [
        promise("one leads at a time, until its time is over") { bench in
            let (one, two): (CandidateID, CandidateID) = (bench.surroundings.makeID(), bench.surroundings.makeID())
            let first = try require(try await bench.store.lead(.rescue, as: one, for: .seconds(10)), "leadership")
            try expectEqual(first, Leadership(role: .rescue, candidate: one, epoch: 1, until: bench.clock.now + .seconds(10)), "first")
            bench.clock.advance(by: .milliseconds(9_999))
            try expectEqual(try await bench.store.lead(.rescue, as: two, for: .seconds(10)), nil, "too early")
            bench.clock.advance(by: .milliseconds(1))
            let second = try require(try await bench.store.lead(.rescue, as: two, for: .seconds(10)), "leadership")
            try expectEqual(second.epoch, 2, "epoch")
            try expectEqual(try await bench.store.lead(.rescue, as: one, for: .seconds(10)), nil, "the first, too late")
        },
        promise("who leads keeps its epoch as long as it asks in time, or nobody else did") { bench in
            let one: CandidateID = bench.surroundings.makeID()
            for wait in [1, 9, 10, 60] {
                bench.clock.advance(by: .seconds(wait))
                let kept = try require(try await bench.store.lead(.scaling, as: one, for: .seconds(10)), "leadership")
                try expectEqual([kept.epoch, kept.until.milliseconds], [1, (bench.clock.now + .seconds(10)).milliseconds], "kept")
            }
        },
        promise("each role has a leader and epochs of its own") { bench in
            for role in LeadershipRole.allCases {
                let leader = try await bench.store.lead(role, as: bench.surroundings.makeID(), for: .seconds(10))
                try expectEqual(leader?.epoch, 1, "epoch of \(role)")
            }
        },
        promise("a role that is given back is free at once, with a new epoch") { bench in
            let first = try require(try await bench.store.lead(.rescue, as: bench.surroundings.makeID(), for: .seconds(10)), "leadership")
            try await bench.store.resign(first)
            let second = try require(try await bench.store.lead(.rescue, as: bench.surroundings.makeID(), for: .seconds(10)), "leadership")
            try expectEqual(second.epoch, 2, "epoch")
            try await bench.store.resign(first)
            try expectEqual(try await bench.store.lead(.rescue, as: first.candidate, for: .seconds(10)), nil, "a stale resignation")
        },
        promise("a write with the epoch that leads is carried out") { bench in
            let job = try await bench.running()
            let leader = try await bench.store.lead(.rescue, as: bench.surroundings.makeID(), for: .seconds(20))
            bench.clock.advance(by: .seconds(15))
            try expectEqual(try await bench.store.rescue(limit: 10, by: leader).map(\.id), [job.id], "in its time")
        },
        promise("a write of a leader whose time is over is refused, even when nobody leads in its place") { bench in
            _ = try await bench.running()
            let leader = try await bench.store.lead(.rescue, as: bench.surroundings.makeID(), for: .seconds(10))
            bench.clock.advance(by: .seconds(15))
            try await bench.expectError(.leadershipLost) { _ = try await bench.store.rescue(limit: 10, by: leader) }
        },
        promise("a write with an epoch that is over is refused, and changes nothing") { bench in
            let running = try await bench.running()
            let finished = try await bench.finished()
            let worker = try await bench.worker()
            let blob = try await bench.reserved()
            for role in LeadershipRole.allCases {
                let stale = try require(try await bench.store.lead(role, as: bench.surroundings.makeID(), for: .seconds(1)), "leadership")
                bench.clock.advance(by: .seconds(20))
                _ = try require(try await bench.store.lead(role, as: bench.surroundings.makeID(), for: .seconds(3600)), "new leadership")
                try await bench.expectAllRefused(stale, worker)
            }
            try expectEqual(try await bench.found(running), running.withoutInput, "running job")
            try expectEqual(try await bench.found(finished), finished, "finished job")
            try expectEqual(try await bench.store.blob(blob.blob)?.state, .pending, "blob")
            try expectEqual(try await bench.store.workers().filter { $0.draining }, [], "draining workers")
            try expectEqual(try await bench.store.workers().contains { $0.id == worker }, true, "worker")
        },
        promise("a write with a leadership that was never given is refused") { bench in
            let made = Leadership(role: .scaling, candidate: bench.surroundings.makeID(), epoch: 1, until: bench.clock.now + .seconds(60))
            try await bench.expectAllRefused(made, try await bench.worker())
        },
    ]
}

extension StoreBench {
    /// Every write of a role, with a leadership that is none.
    fileprivate func expectAllRefused(_ leader: Leadership, _ worker: WorkerID) async throws {
        let retention = EndpointRetention(endpoint: "ocr", age: .zero, jobsMax: 0)
        let now = clock.now + .seconds(1)
        let writes: [@Sendable () async throws -> Void] = [
            { _ = try await store.rescue(limit: 10, by: leader) },
            { _ = try await store.prune(retention, at: now, limit: 10, by: leader) },
            { _ = try await store.claimUnused(pendingBefore: now, unusedBefore: now, limit: 10, by: leader) },
            { try await store.drain([worker], by: leader) },
            { _ = try await store.removeWorkers(notSeenSince: now, by: leader) },
        ]
        for write in writes { try await expectError(.leadershipLost) { try await write() } }
    }
}
