import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let control: [StoreCase] = [
        promise("a queued job is cancelled at once") { bench in
            let job = try await bench.submit(.fixture(callback: "https://example.com", in: bench.surroundings))
            let cancelled = try require(try await bench.store.cancel(job.id), "job")
            try expectEqual(cancelled.state, .cancelled, "state")
            try expectEqual(cancelled.finishedAt, bench.clock.now, "finishedAt")
            try expectEqual(try await bench.lease(try await bench.worker()), [], "leased")
            try expectEqual(try await bench.store.deliveries(of: job.id).map(\.event), ["job.cancelled"], "deliveries")
        },
        promise("a running job is asked to stop, and its worker hears it with each heartbeat") { bench in
            let job = try await bench.running()
            try expectEqual(try await bench.store.cancel(job.id)?.state, .running, "state")
            try expectEqual(try await bench.renew(job), .cancel, "first heartbeat")
            try expectEqual(try await bench.renew(job), .cancel, "second heartbeat")
            try expectEqual(try await bench.settle(job, .cancelled), .held, "settling")
            try expectEqual(try await bench.found(job).state, .cancelled, "state")
        },
        promise("a second cancel changes nothing") { bench in
            let job = try await bench.running()
            let first = try await bench.store.cancel(job.id)
            bench.clock.advance(by: .seconds(1))
            try expectEqual(try await bench.store.cancel(job.id), first, "job")
        },
        promise("a finished job stays as it is when it is cancelled") { bench in
            let job = try await bench.running()
            _ = try await bench.settle(job, .succeeded(outputs: []))
            let done = try await bench.found(job)
            try expectEqual(try await bench.store.cancel(job.id), done, "job")
            try expectEqual(try await bench.found(job), done, "stored job")
        },
        promise("a job that is not there can be neither cancelled nor retried") { bench in
            try expectEqual(try await bench.store.cancel(bench.surroundings.makeID()), nil, "cancel")
            try expectEqual(try await bench.store.retry(bench.surroundings.makeID()), nil, "retry")
        },
        promise("a job to be cancelled whose worker dies is cancelled") { bench in
            let job = try await bench.running()
            _ = try await bench.store.cancel(job.id)
            try expectEqual(try await bench.crash(job).state, .cancelled, "state")
        },
        promise("a job to be cancelled that is given back or fails is cancelled") { bench in
            for outcome in [.released(reason: "drain"), .failed(.retryable)] as [AttemptReport.Outcome] {
                let job = try await bench.running()
                _ = try await bench.store.cancel(job.id)
                _ = try await bench.settle(job, outcome)
                try expectEqual(try await bench.found(job).state, .cancelled, "state after \(outcome)")
            }
        },
        promise("a job to be cancelled that succeeds first has succeeded") { bench in
            let job = try await bench.running()
            _ = try await bench.store.cancel(job.id)
            _ = try await bench.settle(job, .succeeded(outputs: []))
            try expectEqual(try await bench.found(job).state, .succeeded, "state")
        },
        promise("a job retried by hand begins anew and keeps its history") { bench in
            let job = try await bench.running(.fixture(callback: "https://example.com", in: bench.surroundings))
            _ = try await bench.settle(job, .failed(.final))
            bench.clock.advance(by: .seconds(100))
            let again = try require(try await bench.store.retry(job.id), "job")
            try expectEqual(again.state, .queued, "state")
            try expectEqual([again.attempt, again.crashes, again.leases], [0, 0, 1], "counters")
            try expectEqual(again.runAt, bench.clock.now, "runAt")
            try expectEqual(again.failure, nil, "failure")
            try expectEqual(try await bench.states(job).map(\.state), [.queued, .running, .failed, .queued], "history")
            let leased = try head(of: try await bench.lease(try await bench.worker()))
            _ = try await bench.settle(leased, .succeeded(outputs: []))
            try expectEqual(try await bench.store.deliveries(of: job.id).map(\.event), ["job.failed", "job.succeeded"], "deliveries")
        },
        promise("only failed, cancelled and expired jobs can be retried") { bench in
            let queued = try await bench.submit()
            try await bench.expectError(.stateConflict) { _ = try await bench.store.retry(queued.id) }
            let running = try head(of: try await bench.lease(try await bench.worker()))
            try await bench.expectError(.stateConflict) { _ = try await bench.store.retry(running.id) }
            _ = try await bench.settle(running, .succeeded(outputs: []))
            try await bench.expectError(.stateConflict) { _ = try await bench.store.retry(running.id) }
        },
        promise("an expired job that is retried has its time to live again") { bench in
            let job = try await bench.submit(.fixture(expiresAt: bench.clock.now + .seconds(10), in: bench.surroundings))
            bench.clock.advance(by: .seconds(20))
            _ = try await bench.store.rescue(limit: 10)
            try expectEqual(try await bench.store.retry(job.id)?.expiresAt, bench.clock.now + .seconds(10), "expiresAt")
            try expectEqual(try await bench.store.rescue(limit: 10), [], "expired")
        },
        promise("pruning removes what ended before a time, with all that belongs to it") { bench in
            let old = try await bench.finished()
            bench.clock.advance(by: .seconds(10))
            let border = bench.clock.now
            let young = try await bench.finished()
            let elsewhere = try await bench.submit(.fixture(endpoint: "tags", in: bench.surroundings))
            _ = try await bench.store.cancel(elsewhere.id)
            let waiting = try await bench.submit()
            try expectEqual(try await bench.prune(finishedBefore: border, limit: 10), 1, "pruned")
            try expectEqual(try await bench.store.job(old.id), nil, "old job")
            try expectEqual(try await bench.store.events(of: old.id, after: 0, limit: 10), [], "its events")
            for job in [young, elsewhere, waiting] {
                try expect(try await bench.store.job(job.id) != nil, "a job that is not old, or of another endpoint, is gone")
            }
        },
        promise("pruning goes in batches of its limit") { bench in
            for _ in 0..<5 { _ = try await bench.finished() }
            bench.clock.advance(by: .seconds(1))
            var counts: [Int] = []
            for _ in 0..<4 { counts.append(try await bench.prune(finishedBefore: bench.clock.now, limit: 2)) }
            try expectEqual(counts, [2, 2, 1, 0], "pruned")
        },
        promise("pruning frees the idempotency key") { bench in
            let key = NewJob.Idempotency(key: "key", fingerprint: "body")
            let job = Job.fixture(in: bench.surroundings)
            _ = try await bench.store.admit([NewJob(job: job, idempotency: key)])
            _ = try await bench.store.cancel(job.id)
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.prune(finishedBefore: bench.clock.now, limit: 2)
            let again = NewJob(job: .fixture(in: bench.surroundings), idempotency: key)
            try expectEqual(try await bench.store.admit([again]), [.admitted(again.job)], "admission")
        },
        promise("a job whose webhook still waits is not pruned") { bench in
            let job = try await bench.submit(.fixture(callback: "https://example.com", in: bench.surroundings))
            _ = try await bench.store.cancel(job.id)
            bench.clock.advance(by: .seconds(1))
            try expectEqual(try await bench.prune(finishedBefore: bench.clock.now, limit: 2), 0, "pruned")
            try await bench.deliver(job, true)
            try expectEqual(try await bench.prune(finishedBefore: bench.clock.now, limit: 2), 1, "pruned later")
        },
    ]
}

extension StoreBench {
    /// A job that has succeeded.
    func finished(_ job: Job? = nil) async throws -> Job {
        let running = try await running(job)
        _ = try await settle(running, .succeeded(outputs: []))
        return try await found(running)
    }
}
