import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let bulk: [StoreCase] = [
        promise("ten thousand jobs come in by one request, each with its own verdict") { bench in
            let new = (0..<10_000).map { index in
                NewJob(
                    job: .fixture(
                        tenant: "tenant \(index % 7)", priority: index % 10,
                        files: index % 100 == 99 ? [.fixture(bench.surroundings.makeID())] : [], in: bench.surroundings),
                    idempotency: index % 50 == 0 ? .init(key: "key \(index % 1000)", fingerprint: "\(index / 7000 * index % 100)") : nil)
            }
            let verdicts = try await bench.store.admit(new)
            try expectEqual(verdicts.count, new.count, "verdicts")
            var first: [String: NewJob] = [:]
            for (new, verdict) in zip(new, verdicts) {
                try expectEqual(verdict.kind, bench.expected(new, &first), "verdict on \(new.job.id)")
            }
            let admitted = verdicts.count { $0.kind == "admitted" }
            try expectEqual(try await bench.store.count(matching: JobFilter(states: [.queued])), admitted, "queued")
            try expect(admitted > 9_000 && Set(verdicts.map(\.kind)).count == 4, "the request had too little variety")
        },
        promise("jobs are cancelled by filter: the oldest first, no more than the limit, only those meant") { bench in
            let mine = try await bench.submit(5)
            let others = try await bench.submit(2, tenant: "other")
            let filter = JobFilter(tenant: "acme", endpoint: "ocr")
            try expectEqual(try await bench.store.cancel(matching: filter, limit: 0), 0, "none")
            try expectEqual(try await bench.store.cancel(matching: filter, limit: 2), 2, "first two")
            try expectEqual(try await bench.allStates(mine), [.cancelled, .cancelled, .queued, .queued, .queued], "states")
            try expectEqual(try await bench.store.cancel(matching: filter, limit: 10), 3, "the rest")
            try expectEqual(try await bench.store.cancel(matching: filter, limit: 10), 0, "nobody is left")
            try expectEqual(try await bench.allStates(others), [.queued, .queued], "another tenant's")
        },
        promise("running jobs are asked to cancel by filter, each once") { bench in
            let jobs = try await bench.submit(3)
            let running = try await bench.lease(try await bench.worker(), jobsMax: 2)
            try expectEqual(try await bench.store.cancel(matching: JobFilter(states: [.running]), limit: 1), 1, "first")
            try expectEqual(try await bench.store.cancel(matching: JobFilter(states: [.running]), limit: 10), 1, "second")
            try expectEqual(try await bench.store.cancel(matching: JobFilter(states: [.running]), limit: 10), 0, "asked already")
            try expectEqual(try await bench.allStates(jobs), [.running, .running, .queued], "states")
            for job in running { try expectEqual(try await bench.renew(job), .cancel, "verdict") }
            try expectEqual(try await bench.store.cancel(matching: JobFilter(states: [.succeeded, .failed]), limit: 10), 0, "ended ones")
        },
        promise("jobs are cancelled by when they came") { bench in
            let start = bench.clock.now
            var jobs: [Job] = []
            for _ in 0..<5 {
                jobs.append(try await bench.submit())
                bench.clock.advance(by: .seconds(1))
            }
            let filter = JobFilter(createdFrom: start + .seconds(1), createdBefore: start + .seconds(3))
            try expectEqual(try await bench.store.count(matching: filter), 2, "count")
            try expectEqual(try await bench.store.cancel(matching: filter, limit: 10), 2, "cancelled")
            try expectEqual(try await bench.allStates(jobs), [.queued, .cancelled, .cancelled, .queued, .queued], "states")
        },
        promise("failed jobs are sent round again by filter, the oldest first, by their code") { bench in
            let jobs = try await bench.submit(6)
            let running = try await bench.lease(try await bench.worker())
            for (index, job) in running.enumerated() {
                _ = try await bench.settle(job, .failed(index < 4 ? JobFailure(code: "mine", message: "", retryable: false) : .final))
            }
            _ = try await bench.store.cancel(try await bench.submit().id)
            let mine = JobFilter(failureCode: "mine")
            try expectEqual(try await bench.store.count(matching: mine), 4, "count")
            try expectEqual(try await bench.store.redrive(matching: JobFilter(tenant: "other"), limit: 10), 0, "another tenant's")
            try expectEqual(try await bench.store.redrive(matching: mine, limit: 3), 3, "first three")
            try expectEqual(try await bench.allStates(jobs), [.queued, .queued, .queued, .failed, .failed, .failed], "states")
            try expectEqual(try await bench.store.redrive(matching: JobFilter(), limit: 10), 3, "all that failed")
            try expectEqual(try await bench.store.redrive(matching: JobFilter(), limit: 10), 0, "nobody is left")
            try expectEqual(try await bench.store.redrive(matching: JobFilter(states: [.cancelled, .succeeded]), limit: 10), 1, "cancelled ones")
            try expectEqual(try await bench.states(head(of: jobs)).last?.reason, "retried by hand", "history")
        },
        promise("a count is the length of the list, whatever the filter") { bench in
            try await bench.fillRandomly()
            for filter in bench.manyFilters() {
                let listed = try await bench.store.jobs(matching: filter, after: nil, limit: 1000)
                try expectEqual(try await bench.store.count(matching: filter), listed.count, "\(filter)")
                try expect(listed.allSatisfy { filter.matches($0) }, "\(filter) lists what it does not match")
            }
            let all = try await bench.store.jobs(matching: JobFilter(), after: nil, limit: 1000)
            try expectEqual(all.count, 120, "jobs")
            for filter in bench.manyFilters() {
                let expected = all.filter { filter.matches($0) }.map(\.id)
                try expectEqual(try await bench.store.jobs(matching: filter, after: nil, limit: 1000).map(\.id), expected, "\(filter)")
            }
        },
    ]
}

extension StoreBench {
    fileprivate func allStates(_ jobs: [Job]) async throws -> [JobState] {
        var states: [JobState] = []
        for job in jobs { states.append(try await found(job).state) }
        return states
    }

    /// The verdict that a job of a large request must get, by what came before it.
    fileprivate func expected(_ new: NewJob, _ first: inout [String: NewJob]) -> String {
        if let given = new.idempotency, let twin = first["\(new.job.tenant) \(given.key)"] {
            return twin.idempotency == given ? "existing" : "conflict"
        }
        guard new.job.files.isEmpty else { return "refused" }
        if let given = new.idempotency { first["\(new.job.tenant) \(given.key)"] = new }
        return "admitted"
    }

    /// 120 jobs of several tenants, endpoints and priorities, in all states.
    fileprivate func fillRandomly() async throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<120 {
            _ = try await submit(
                .fixture(
                    tenant: ["a", "b", "c"].randomElement(using: &random)!, endpoint: ["ocr", "tags"].randomElement(using: &random)!,
                    priority: Int.random(in: 0...9, using: &random), runAt: clock.now + .seconds(Int.random(in: 0...1, using: &random)),
                    expiresAt: clock.now + .seconds(40), in: surroundings))
            clock.advance(by: .milliseconds(500))
        }
        for endpoint in ["ocr", "tags"] {
            for job in try await lease(try await worker(endpoint: endpoint), jobsMax: 40, endpoint: endpoint) {
                switch Int.random(in: 0..<5, using: &random) {
                case 0: _ = try await settle(job, .failed(.final))
                case 1: _ = try await settle(job, .failed(.retryable))
                case 2: _ = try await settle(job, .succeeded(outputs: []))
                case 3: _ = try await store.cancel(job.id)
                default: break
                }
            }
        }
        _ = try await store.cancel(matching: JobFilter(tenant: "b"), limit: 10)
        _ = try await store.rescue(limit: 10)
    }

    fileprivate func manyFilters() -> [JobFilter] {
        let states: [Set<JobState>?] = [nil, [], [.queued], [.running, .failed], [.cancelled, .expired, .succeeded]]
        let times = [nil, clock.now - .seconds(30)]
        return ["a", "nobody", nil].flatMap { tenant in
            ["ocr", "nothing", nil].flatMap { endpoint in
                states.flatMap { states in
                    times.flatMap { time in
                        [nil, "invalid_input"].flatMap { code in
                            [
                                JobFilter(tenant: tenant, endpoint: endpoint, states: states, createdFrom: time, failureCode: code),
                                JobFilter(tenant: tenant, endpoint: endpoint, states: states, createdBefore: time, failureCode: code),
                            ]
                        }
                    }
                }
            }
        }
    }
}

extension Admission {
    fileprivate var kind: String {
        switch self {
        case .admitted: "admitted"
        case .existing: "existing"
        case .conflict: "conflict"
        case .refused: "refused"
        }
    }
}
