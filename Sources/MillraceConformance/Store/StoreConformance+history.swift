import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let history: [StoreCase] = [
        promise("a job's history tells each change with time, worker, attempt and reason") { bench in
            let start = bench.clock.now
            let retry = RetryPolicy(attemptsMax: 2, crashesMax: 2, backoffBase: .zero)
            let first = try await bench.running(.fixture(retry: retry, in: bench.surroundings))
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.settle(first, .released(reason: "drain"))
            let second = try await bench.again()
            let third = try await bench.crashed(second)
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.settle(third, .failed(.retryable))
            let fourth = try await bench.again()
            _ = try await bench.store.cancel(first.id)
            _ = try await bench.settle(fourth, .failed(.final))
            let workers = [first, second, third, fourth].map { $0.lease?.worker }
            let lines: [(seconds: Int, JobState, attempt: Int, WorkerID?, reason: String)] = [
                (0, .queued, 0, nil, "submitted"), (0, .running, 1, workers[0], "leased"),
                (1, .queued, 0, workers[0], "released: drain"), (1, .running, 1, workers[1], "leased"),
                (16, .queued, 0, workers[1], "worker_lost: its heartbeats stopped"), (16, .running, 1, workers[2], "leased"),
                (17, .queued, 1, workers[2], "retry after handler_error"), (17, .running, 2, workers[3], "leased"),
                (17, .running, 2, workers[3], "cancel requested"), (17, .cancelled, 2, workers[3], "cancelled"),
            ]
            let events = try await bench.store.events(of: first.id, after: 0, limit: 100)
            try expectEqual(events.map { $0.at.since(start) }, lines.map { .seconds($0.seconds) }, "times")
            let changes = try await bench.states(first)
            try expectEqual(changes.map(\.state), lines.map(\.1), "states")
            try expectEqual(changes.map(\.attempt), lines.map(\.attempt), "attempts")
            try expectEqual(changes.map(\.worker), lines.map(\.3), "workers")
            try expectEqual(changes.map(\.reason), lines.map(\.reason), "reasons")
        },
        promise("the history goes on over a retry by hand and an expiry") { bench in
            let job = try await bench.submit(.fixture(expiresAt: bench.clock.now + .seconds(5), in: bench.surroundings))
            bench.clock.advance(by: .seconds(5))
            _ = try await bench.store.rescue(limit: 10)
            _ = try await bench.store.redrive(matching: JobFilter(states: [.expired]), limit: 10)
            _ = try await bench.store.abandon(
                worker: try require(try await bench.again().lease?.worker, "worker"), atRisk: [], reason: "signal 9", stderrTail: nil)
            try expectEqual(
                try await bench.states(job).map(\.reason),
                ["submitted", "time to live passed", "retried by hand", "leased", "worker_lost: signal 9"], "reasons")
        },
    ]

    static let standing: [StoreCase] = [
        promise("the jobs ahead of a queued one are those of its lane that are due before it, or came before it") { bench in
            let jobs = try await bench.submit(4)
            _ = try await bench.submit(3, tenant: "other")
            _ = try await bench.submit(3, priority: 9)
            let later = try await bench.submit(1, runAt: bench.clock.now + .seconds(5))
            bench.clock.advance(by: .seconds(1))
            let last = try await bench.submit()
            func ahead(_ job: Job, countingTo limit: Int = 100) async throws -> Int? {
                try await bench.store.queuedAhead(of: job.id, countingTo: limit)
            }
            for (index, job) in jobs.enumerated() { try expectEqual(try await ahead(job), index, "job \(index)") }
            try expectEqual(try await ahead(last), 4, "the last, before the one for later")
            try expectEqual(try await ahead(head(of: later)), 5, "the one for later")
            try expectEqual(try await ahead(last, countingTo: 2), 2, "counted up to a limit")
            _ = try await bench.lease(try await bench.worker(), jobsMax: 4)
            try expectEqual(try await ahead(last), 3, "when one of its lane runs")
            try expectEqual(try await bench.store.queuedAhead(of: bench.surroundings.makeID(), countingTo: 9), nil, "no such job")
            _ = try await bench.store.cancel(last.id)
            try expectEqual(try await ahead(last), nil, "not queued")
        },
        promise("lanes count what waits and runs for each variant, priority and tenant") { bench in
            try expectEqual(try await bench.store.lanes(of: "ocr"), [], "at first")
            _ = try await bench.submit(2)
            _ = try await bench.submit(1, runAt: bench.clock.now + .seconds(60))
            _ = try await bench.submit(2, priority: 9)
            _ = try await bench.submit(2, tenant: "other")
            let b = try await bench.submit(1, variant: "b")
            _ = try await bench.submit(.fixture(endpoint: "tags", in: bench.surroundings))
            try expectEqual(try await bench.lease(try await bench.worker(), jobsMax: 3).count, 3, "leased")
            _ = try await bench.store.cancel(head(of: b).id)
            func lane(_ priority: Int, _ tenant: String, _ queued: Int, _ running: Int) -> Lane {
                Lane(key: LaneKey(endpoint: "ocr", variant: "a", priority: priority, tenant: tenant), queued: queued, running: running)
            }
            let lanes = try await bench.store.lanes(of: "ocr")
            try expectEqual(lanes.count, 3, "lanes")
            try expectEqual(lanes.first, lane(9, "acme", 0, 2), "the highest priority")
            try expect(
                Set(lanes.dropFirst().map { [$0.queued, $0.running] }) == [[3, 0], [1, 1]]
                    || Set(lanes.dropFirst().map { [$0.queued, $0.running] }) == [[2, 1], [2, 0]], "the others are \(lanes)")
        },
        promise("service times are those of the last attempts that ended, the latest first") { bench in
            let start = bench.clock.now
            for seconds in [1, 3, 2] {
                let job = try await bench.running()
                bench.clock.advance(by: .seconds(seconds))
                _ = try await bench.settle(job, .succeeded(outputs: []))
            }
            _ = try await bench.store.cancel(try await bench.submit().id)
            _ = try await bench.finished(.fixture(endpoint: "tags", in: bench.surroundings))
            let times = [(4, 6), (1, 4), (0, 1)].map {
                ServiceTime(startedAt: start + .seconds($0.0), finishedAt: start + .seconds($0.1))
            }
            try expectEqual(try await bench.store.serviceTimes(of: "ocr", limit: 10), times, "times")
            try expectEqual(try await bench.store.serviceTimes(of: "ocr", limit: 2), Array(times[..<2]), "the last two")
            try expectEqual(try await bench.store.serviceTimes(of: "ocr", limit: 0), [], "none")
        },
    ]
}

extension StoreBench {
    /// Leases the only queued job by a new worker.
    fileprivate func again() async throws -> Job {
        try head(of: try await lease(try await worker()))
    }

    /// Lets a job crash and leases it again.
    fileprivate func crashed(_ job: Job) async throws -> Job {
        _ = try await crash(job)
        return try await again()
    }
}
