import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let fencing: [StoreCase] = [
        promise("a stale token changes nothing, also when the same worker has the job again") { bench in
            let stale = try await bench.running()
            let worker = try require(stale.lease?.worker, "worker")
            bench.clock.advance(by: .seconds(15))
            _ = try await bench.store.rescue(limit: 10)
            let current = try head(of: try await bench.lease(worker))
            try await bench.expectPowerless(stale)
            try expectEqual(try await bench.found(current), current, "the job")
            try expectEqual(try await bench.settle(current, .succeeded(outputs: [])), .held, "the current lease")
        },
        promise("a token is stale once its job is back in the queue") { bench in
            let stale = try await bench.running()
            bench.clock.advance(by: .seconds(15))
            _ = try await bench.store.rescue(limit: 10)
            try await bench.expectPowerless(stale)
            try expectEqual(try await bench.found(stale).state, .queued, "state")
        },
        promise("a second report of the same attempt is lost and changes nothing") { bench in
            let job = try await bench.running(.fixture(callback: "https://example.com", in: bench.surroundings))
            try expectEqual(try await bench.settle(job, .succeeded(outputs: [])), .held, "first")
            try await bench.expectPowerless(job)
            try expectEqual(try await bench.found(job).state, .succeeded, "state")
            try expectEqual(try await bench.store.deliveries(of: job.id).count, 1, "deliveries")
        },
        promise("the same report twice in one call is recorded once") { bench in
            let job = try await bench.running(.fixture(callback: "https://example.com", in: bench.surroundings))
            let token = try require(job.lease?.token, "token")
            let report = AttemptReport(job: job.id, token: token, outcome: .succeeded(outputs: []))
            try expectEqual(try await bench.store.settle([report, report]), [.held, .lost], "verdicts")
            try expectEqual(try await bench.store.deliveries(of: job.id).count, 1, "deliveries")
        },
        promise("many reports have their verdicts in their order") { bench in
            let worker = try await bench.worker()
            for _ in 0..<3 { _ = try await bench.submit() }
            let jobs = try await bench.lease(worker)
            try expectEqual(jobs.count, 3, "leased")
            var reports = try jobs.map { AttemptReport(job: $0.id, token: try require($0.lease?.token, "token"), outcome: .succeeded(outputs: [])) }
            reports[1].token = bench.surroundings.makeID()
            reports.append(AttemptReport(job: bench.surroundings.makeID(), token: reports[0].token, outcome: .cancelled))
            try expectEqual(try await bench.store.settle(reports), [.held, .lost, .held, .lost], "verdicts")
        },
        promise("one job's token is nothing to another job") { bench in
            let worker = try await bench.worker()
            for _ in 0..<2 { _ = try await bench.submit() }
            var jobs = try await bench.lease(worker)
            try expectEqual(jobs.count, 2, "leased")
            let mine = jobs[0].lease
            jobs[1].lease = mine
            try await bench.expectPowerless(jobs[1])
        },
        promise("a result comes too late once the job was given to another") { bench in
            let first = try await bench.running()
            bench.clock.advance(by: .seconds(15))
            _ = try await bench.store.rescue(limit: 10)
            let second = try head(of: try await bench.lease(try await bench.worker()))
            let (early, late) = (try await bench.reserved(writer: first.id), try await bench.reserved(writer: first.id))
            try expectEqual(try await bench.settle(second, .succeeded(outputs: [early])), .held, "second worker")
            try expectEqual(try await bench.settle(first, .succeeded(outputs: [late])), .lost, "first worker")
            try expectEqual(try await bench.found(first).outputs, [early], "outputs")
        },
    ]
}

extension StoreBench {
    /// Expects that no write with this job's lease is taken.
    func expectPowerless(_ stale: Job, file: String = #fileID, line: Int = #line) async throws {
        let before = try await store.job(stale.id)
        let events = try await store.events(of: stale.id, after: 0, limit: 1000)
        let checkpoint = JobCheckpoint(file: try await reserved(writer: stale.id), position: 7)
        let renewal = try await renew(
            stale, progress: JobProgress(done: 99), logs: [LogLine(level: .info, message: "stale")], checkpoint: checkpoint)
        try expectEqual(renewal, .lost, "renewal", file: file, line: line)
        for outcome in [
            .succeeded(outputs: []), .failed(.final), .cancelled, .released(reason: "drain"),
        ] as [AttemptReport.Outcome] {
            let verdict = try await settle(stale, outcome, logs: [LogLine(level: .info, message: "stale")])
            try expectEqual(verdict, .lost, "\(outcome)", file: file, line: line)
        }
        try expectEqual(try await store.job(stale.id), before, "job", file: file, line: line)
        try expectEqual(try await store.events(of: stale.id, after: 0, limit: 1000), events, "events", file: file, line: line)
        try expectEqual(try await store.blob(checkpoint.files[0].blob)?.state, .pending, "checkpoint", file: file, line: line)
    }
}
