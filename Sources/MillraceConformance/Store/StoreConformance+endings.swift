import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let endings: [StoreCase] = [
        promise("a success is final, with its outputs") { bench in
            let job = try await bench.running()
            let output = try await bench.reserved(writer: job.id)
            bench.clock.advance(by: .seconds(3))
            try expectEqual(try await bench.settle(job, .succeeded(outputs: [output])), .held, "verdict")
            let done = try await bench.found(job)
            try expectEqual(done.state, .succeeded, "state")
            try expectEqual(done.outputs, [output], "outputs")
            try expectEqual(done.finishedAt, bench.clock.now, "finishedAt")
            try expectEqual(done.lease, nil, "lease")
            try expectEqual(try await bench.store.blob(output.blob)?.state, .stored, "output's blob")
            try expectEqual(try await bench.states(job).map(\.state), [.queued, .running, .succeeded], "events")
        },
        promise("a result whose bytes were never announced is no result") { bench in
            let job = try await bench.running()
            let nowhere = JobFile.fixture(bench.surroundings.makeID())
            try expectEqual(try await bench.settle(job, .succeeded(outputs: [nowhere])), .held, "verdict")
            let found = try await bench.found(job)
            try expectEqual(found.state, .queued, "state")
            try expectEqual(found.failure?.code, "blob_unknown", "failure")
        },
        promise("a retryable failure waits at most its backoff and is tried again") { bench in
            let retry = RetryPolicy(attemptsMax: 3, backoffBase: .seconds(8), backoffMax: .seconds(10))
            var job = try await bench.running(.fixture(retry: retry, in: bench.surroundings))
            for (attempt, ceiling) in [(1, Duration.seconds(8)), (2, .seconds(10))] {
                try expectEqual(job.attempt, attempt, "attempt")
                try expectEqual(try await bench.settle(job, .failed(.retryable)), .held, "verdict")
                let waiting = try await bench.found(job)
                try expectEqual(waiting.state, .queued, "state")
                try expectEqual(waiting.failure, .retryable, "failure")
                let wait = waiting.runAt.since(bench.clock.now)
                try expect(wait >= .zero && wait <= ceiling, "the backoff is \(wait), more than \(ceiling)")
                bench.clock.advance(by: ceiling)
                job = try head(of: try await bench.lease(try await bench.worker()))
            }
            _ = try await bench.settle(job, .failed(.retryable))
            try expectEqual(try await bench.found(job).state, .failed, "state after the last attempt")
        },
        promise("a handler's own wait goes before the backoff") { bench in
            let job = try await bench.running()
            var failure = JobFailure.retryable
            failure.retryAfter = .seconds(1234)
            _ = try await bench.settle(job, .failed(failure))
            try expectEqual(try await bench.found(job).runAt, bench.clock.now + .seconds(1234), "runAt")
        },
        promise("a failure that cannot be mended is final at once") { bench in
            let job = try await bench.running()
            _ = try await bench.settle(job, .failed(.final))
            let found = try await bench.found(job)
            try expectEqual(found.state, .failed, "state")
            try expectEqual(found.failure, .final, "failure")
            try expectEqual(found.attempt, 1, "attempt")
        },
        promise("a job that is given back costs no attempt and is due at once") { bench in
            var job = try await bench.running(.fixture(retry: RetryPolicy(attemptsMax: 1), in: bench.surroundings))
            for turn in 1...5 {
                try expectEqual(try await bench.settle(job, .released(reason: "drain")), .held, "verdict")
                let back = try await bench.found(job)
                try expectEqual([back.attempt, back.crashes, back.leases], [0, 0, turn], "counters")
                job = try require(try await bench.lease(try await bench.worker()).first, "leased job")
            }
        },
        promise("a report brings the last log lines, the progress and the cold start") { bench in
            let job = try await bench.running()
            let report = AttemptReport(
                job: job.id, token: try require(job.lease?.token, "token"), outcome: .succeeded(outputs: []),
                logs: [LogLine(level: .warning, message: "last words")], progress: JobProgress(done: 4), coldStart: .seconds(2))
            _ = try await bench.store.settle([report])
            let found = try await bench.found(job)
            try expectEqual(found.progress, JobProgress(done: 4), "progress")
            try expectEqual(found.coldStart, .seconds(2), "cold start")
            let events = try await bench.store.events(of: job.id, after: 0, limit: 100).map(\.detail)
            try expect(events.contains(.log(LogLine(level: .warning, message: "last words"))), "the log line is missing")
        },
    ]

    static let crashes: [StoreCase] = [
        promise("a lease expires by the store's clock, not before") { bench in
            let job = try await bench.running()
            bench.clock.advance(by: .milliseconds(14_999))
            try expectEqual(try await bench.store.rescue(limit: 10), [], "too early")
            bench.clock.advance(by: .milliseconds(1))
            let rescued = try await bench.store.rescue(limit: 10)
            try expectEqual(rescued.map(\.id), [job.id], "rescued")
            try expectEqual(rescued.map(\.state), [.queued], "state")
            try expectEqual(try await bench.found(job), rescued.first, "stored job")
        },
        promise("a crash counts as a crash, not as an attempt") { bench in
            let job = try await bench.running(.fixture(retry: RetryPolicy(attemptsMax: 1, crashesMax: 3), in: bench.surroundings))
            let back = try await bench.crash(job)
            try expectEqual([back.attempt, back.crashes, back.leases], [0, 1, 1], "counters")
            try expectEqual(back.state, .queued, "state")
        },
        promise("a job whose workers keep dying fails as worker_lost") { bench in
            let retry = RetryPolicy(attemptsMax: 9, crashesMax: 2, backoffBase: .seconds(1), backoffMax: .seconds(1))
            let job = try await bench.running(
                .fixture(callback: "https://example.com", retry: retry, in: bench.surroundings))
            try expectEqual(try await bench.crash(job).state, .queued, "after the first")
            let again = try head(of: try await bench.lease(try await bench.worker()))
            let dead = try await bench.crash(again)
            try expectEqual(dead.state, .failed, "after the second")
            try expectEqual(dead.failure?.code, "worker_lost", "failure")
            try expectEqual(try await bench.store.deliveries(of: job.id).map(\.event), ["job.failed"], "deliveries")
        },
        promise("a dead worker's jobs are taken back at once, with the reason") { bench in
            let worker = try await bench.worker()
            for _ in 0..<3 { _ = try await bench.submit() }
            let held = try await bench.lease(worker, jobsMax: 2)
            let other = try await bench.lease(try await bench.worker())
            let back = try await bench.store.abandon(worker: worker, atRisk: [], reason: "signal 9", stderrTail: "Killed")
            try expectEqual(Set(back.map(\.id)), Set(held.map(\.id)), "abandoned")
            for job in back {
                try expectEqual(job.state, .queued, "state")
                try expectEqual([job.attempt, job.crashes], [0, 1], "counters")
                try expectEqual(job.failure?.stderrTail, "Killed", "stderr")
                try expect(job.failure?.message.contains("signal 9") == true, "the reason is missing")
            }
            try expectEqual(try await bench.renew(head(of: other)), .held, "another worker's job")
            try expectEqual(try await bench.store.abandon(worker: worker, atRisk: [], reason: "again", stderrTail: nil), [], "second time")
        },
        promise("of a dead worker's jobs those at risk crashed, the others keep their place uncounted") { bench in
            let worker = try await bench.worker()
            for _ in 0..<3 { _ = try await bench.submit() }
            let held = try await bench.lease(worker, jobsMax: 3)
            let back = try await bench.store.abandon(
                worker: worker, atRisk: [held[1].id, bench.surroundings.makeID()], reason: "signal 6", stderrTail: nil)
            try expectEqual(Set(back.map(\.id)), Set(held.map(\.id)), "abandoned")
            for (index, job) in held.enumerated() {
                let found = try await bench.found(job)
                try expectEqual(found, try require(back.first { $0.id == job.id }, "job"), "stored job")
                try expectEqual([found.attempt, found.crashes, found.leases], [0, index == 1 ? 1 : 0, 1], "counters of \(index)")
                try expectEqual(found.failure?.code, index == 1 ? "worker_lost" : nil, "failure of \(index)")
            }
            try expectEqual(
                try await bench.states(held[0]).last?.reason, "released: its worker died in another job: signal 6", "reason")
            try expectEqual(try await bench.lease(try await bench.worker(), jobsMax: 3).map(\.id), held.map(\.id), "order")
        },
        promise("when none of a dead worker's jobs was at risk, each counts a crash") { bench in
            let worker = try await bench.worker()
            for _ in 0..<2 { _ = try await bench.submit() }
            _ = try await bench.lease(worker, jobsMax: 2)
            let back = try await bench.store.abandon(
                worker: worker, atRisk: [bench.surroundings.makeID()], reason: "signal 9", stderrTail: nil)
            try expectEqual(back.map(\.crashes), [1, 1], "crashes")
        },
        promise("a job that was asked to stop is cancelled when its worker dies in another one") { bench in
            let worker = try await bench.worker()
            for _ in 0..<2 { _ = try await bench.submit() }
            let held = try await bench.lease(worker, jobsMax: 2)
            _ = try await bench.store.cancel(held[0].id)
            _ = try await bench.store.abandon(worker: worker, atRisk: [held[1].id], reason: "signal 6", stderrTail: nil)
            try expectEqual([try await bench.found(held[0]).state, try await bench.found(held[1]).state], [.cancelled, .queued], "states")
        },
        promise("a rescue takes no more than its limit, the longest dead first") { bench in
            let worker = try await bench.worker()
            var jobs: [Job] = []
            for _ in 0..<3 {
                _ = try await bench.submit()
                jobs += try await bench.lease(worker)
                bench.clock.advance(by: .seconds(1))
            }
            bench.clock.advance(by: .seconds(60))
            try expectEqual(jobs.count, 3, "leased")
            try expectEqual(try await bench.store.rescue(limit: 0), [], "none")
            try expectEqual(try await bench.store.rescue(limit: 2).map(\.id), jobs[..<2].map(\.id), "first two")
            try expectEqual(try await bench.store.rescue(limit: 2).map(\.id), jobs[2...].map(\.id), "the last")
        },
        promise("a job waits in the queue no longer than its time to live") { bench in
            let job = try await bench.submit(
                .fixture(callback: "https://example.com", expiresAt: bench.clock.now + .seconds(10), in: bench.surroundings))
            bench.clock.advance(by: .milliseconds(9_999))
            try expectEqual(try await bench.store.rescue(limit: 10), [], "too early")
            bench.clock.advance(by: .milliseconds(1))
            try expectEqual(try await bench.lease(try await bench.worker()), [], "leased")
            try expectEqual(try await bench.store.rescue(limit: 10).map(\.state), [.expired], "state")
            try expectEqual(try await bench.store.deliveries(of: job.id).map(\.event), ["job.expired"], "deliveries")
        },
        promise("a job that has run once no longer expires") { bench in
            let job = try await bench.running(.fixture(expiresAt: bench.clock.now + .seconds(10), in: bench.surroundings))
            _ = try await bench.settle(job, .released(reason: "drain"))
            bench.clock.advance(by: .seconds(100))
            try expectEqual(try await bench.store.rescue(limit: 10), [], "expired")
            try expectEqual(try await bench.lease(try await bench.worker()).map(\.id), [job.id], "leased")
        },
    ]
}

extension StoreBench {
    /// Lets the lease of a job run out and takes it back; backoff after a crash is waited for.
    func crash(_ job: Job) async throws -> Job {
        clock.advance(by: .seconds(15))
        let rescued = try await store.rescue(limit: 100)
        let found = try require(rescued.first { $0.id == job.id }, "rescued job")
        if found.runAt > clock.now { clock.advance(by: found.runAt.since(clock.now)) }
        return found
    }
}
