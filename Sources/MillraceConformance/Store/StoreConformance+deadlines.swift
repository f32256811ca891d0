import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let deadlines: [StoreCase] = [
        promise("a job whose deadline passes while it waits expires, and says why") { bench in
            let job = try await bench.submit(bench.dated(10))
            bench.clock.advance(by: .milliseconds(9_999))
            try expectEqual(try await bench.store.rescue(limit: 10), [], "too early")
            bench.clock.advance(by: .milliseconds(1))
            try expectEqual(try await bench.lease(try await bench.worker()), [], "leased")
            try expectEqual(try await bench.store.rescue(limit: 10).map(\.state), [.expired], "state")
            let found = try await bench.found(job)
            try expectEqual(found.failure?.code, "deadline_exceeded", "failure")
            try expectEqual(found.finishedAt, bench.clock.now, "finishedAt")
        },
        promise("a deadline holds for a job that has run before, too") { bench in
            let job = try await bench.running(bench.dated(10))
            _ = try await bench.settle(job, .released(reason: "drain"))
            bench.clock.advance(by: .seconds(10))
            try expectEqual(try await bench.lease(try await bench.worker()), [], "leased")
            try expectEqual(try await bench.store.rescue(limit: 10).map(\.state), [.expired], "state")
        },
        promise("an attempt that runs past the deadline is told to stop, and ends as deadline_exceeded") { bench in
            let job = try await bench.running(bench.dated(10))
            bench.clock.advance(by: .milliseconds(9_999))
            try expectEqual(try await bench.renew(job), .held, "before")
            bench.clock.advance(by: .milliseconds(1))
            try expectEqual(try await bench.renew(job), .timeout, "at the deadline")
            let stopped = JobFailure(.runLimitExceeded, "stopped", retryable: false)
            try expectEqual(try await bench.settle(job, .failed(stopped)), .held, "settling")
            let found = try await bench.found(job)
            try expectEqual(found.state, .failed, "state")
            try expectEqual(found.failure?.code, "deadline_exceeded", "failure")
        },
        promise("a result that comes after the deadline is a result") { bench in
            let job = try await bench.running(bench.dated(10))
            bench.clock.advance(by: .seconds(11))
            _ = try await bench.settle(job, .succeeded(outputs: []))
            try expectEqual(try await bench.found(job).state, .succeeded, "state")
        },
        promise("a retry that could only begin after the deadline is none: the job fails at once") { bench in
            var later = JobFailure.retryable
            later.retryAfter = .seconds(10)
            let late = try await bench.running(bench.dated(10))
            _ = try await bench.settle(late, .failed(later))
            try expectEqual(try await bench.found(late).state, .failed, "state without time")
            try expectEqual(try await bench.found(late).failure, later, "failure")
            let timely = try await bench.running(bench.dated(11))
            _ = try await bench.settle(timely, .failed(later))
            try expectEqual(try await bench.found(timely).state, .queued, "state with time")
        },
        promise("a crash after the deadline is the job's last") { bench in
            let job = try await bench.running(bench.dated(10))
            try expectEqual(try await bench.crash(job).state, .failed, "state")
            try expectEqual(try await bench.found(job).failure?.code, "worker_lost", "failure")
        },
        promise("a retry by hand lifts the deadline") { bench in
            let job = try await bench.submit(bench.dated(10))
            bench.clock.advance(by: .seconds(10))
            _ = try await bench.store.rescue(limit: 10)
            try expectEqual(try await bench.store.retry(job.id)?.deadline, nil, "deadline")
            bench.clock.advance(by: .seconds(100))
            try expectEqual(try await bench.store.rescue(limit: 10), [], "expired")
            let again = try head(of: try await bench.lease(try await bench.worker()))
            try expectEqual(try await bench.renew(again), .held, "renewal")
        },
        promise("what ends first ends a job that waits: its time to live or its deadline") { bench in
            var jobs: [Job] = []
            for (live, deadline) in [(5, 10), (10, 5)] {
                var job = bench.dated(deadline)
                job.expiresAt = bench.clock.now + .seconds(live)
                jobs.append(try await bench.submit(job))
            }
            bench.clock.advance(by: .seconds(5))
            try expectEqual(try await bench.store.rescue(limit: 10).map(\.id), jobs.map(\.id), "expired")
            try expectEqual(try await bench.found(jobs[0]).failure, nil, "time to live")
            try expectEqual(try await bench.found(jobs[1]).failure?.code, "deadline_exceeded", "deadline")
        },
    ]

    static let inlineOutputs: [StoreCase] = [
        promise("short results are kept with their job, in their order and to the letter") { bench in
            let results = [
                InlineOutput(name: "z", mediaType: "application/json", text: "{\"a\": [1, \"\u{1F600}\\n\"]}"),
                InlineOutput(name: "a", mediaType: "text/plain", text: ""),
                InlineOutput(name: "long", mediaType: "text/plain", text: String(repeating: "x", count: InlineOutput.bytesMax)),
            ]
            let job = try await bench.running(.fixture(callback: "https://example.com", in: bench.surroundings))
            let file = try await bench.reserved(writer: job.id)
            try expectEqual(try await bench.settle(job, .succeeded(outputs: [file], inline: results)), .held, "settling")
            let found = try await bench.found(job)
            try expectEqual(found.inlineOutputs, results, "inline outputs")
            try expectEqual(found.outputs, [file], "outputs")
            try expectEqual(try await bench.store.deliveries(of: job.id).map(\.snapshot), [found], "the job in its webhook")
            try expectEqual(try await bench.store.jobs(matching: JobFilter(), after: nil, limit: 1), [found], "listed job")
        },
        promise("of several attempts only the one that succeeds leaves results") { bench in
            let first = try await bench.running(.fixture(retry: RetryPolicy(backoffBase: .zero), in: bench.surroundings))
            _ = try await bench.settle(first, .failed(.retryable))
            let second = try head(of: try await bench.lease(try await bench.worker()))
            let results = { [InlineOutput(name: "out", mediaType: "text/plain", text: $0)] }
            try expectEqual(try await bench.settle(first, .succeeded(outputs: [], inline: results("stale"))), .lost, "stale result")
            try expectEqual(try await bench.found(first).inlineOutputs, [], "while it runs")
            _ = try await bench.settle(second, .succeeded(outputs: [], inline: results("good")))
            try expectEqual(try await bench.found(first).inlineOutputs, results("good"), "in the end")
            try expectEqual(try await bench.settle(second, .succeeded(outputs: [], inline: results("again"))), .lost, "second report")
            try expectEqual(try await bench.found(first).inlineOutputs, results("good"), "afterwards")
        },
    ]
}

extension StoreBench {
    /// A job with a deadline some seconds from now, without backoff.
    fileprivate func dated(_ seconds: Int) -> Job {
        var job = Job.fixture(retry: RetryPolicy(backoffBase: .zero), in: surroundings)
        job.deadline = clock.now + .seconds(seconds)
        return job
    }
}
