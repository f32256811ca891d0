import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    /// How many may run at once.
    static let concurrency: [StoreCase] = [
        promise("of a tenant no more jobs run than its limit, over variants, priorities and workers") { bench in
            let two = EndpointQuotas(tenant: Quota(runningMax: 2))
            for priority in [1, 5, 9] { _ = try await bench.submit(2, priority: priority) }
            _ = try await bench.submit(3, variant: "b")
            let (a, b) = (try await bench.worker(), try await bench.worker(variant: "b"))
            try expectEqual(try await bench.lease(a, within: two).map(\.priority), [9, 9], "first variant")
            try expectEqual(try await bench.lease(b, variant: "b", within: two), [], "second variant")
            try expectEqual(try await bench.lease(try await bench.worker(), within: two), [], "another worker")
        },
        promise("a tenant at its limit keeps none of the others waiting") { bench in
            let two = EndpointQuotas(tenant: Quota(runningMax: 2))
            _ = try await bench.submit(10, tenant: "full", priority: 9)
            _ = try await bench.submit(10, tenant: "other", priority: 1)
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker, jobsMax: 10, within: two).byTenant, ["full": 2, "other": 2], "leased")
            try expectEqual(try await bench.lease(worker, jobsMax: 10, within: two), [], "nobody has room")
        },
        promise("of an endpoint no more jobs run than its limit, over tenants and variants") { bench in
            let three = EndpointQuotas(endpoint: Quota(runningMax: 3))
            for tenant in ["first", "second"] { _ = try await bench.submit(5, tenant: tenant) }
            _ = try await bench.submit(5, variant: "b")
            let (a, b) = (try await bench.worker(), try await bench.worker(variant: "b"))
            try expectEqual(try await bench.lease(a, jobsMax: 2, within: three).count, 2, "first")
            try expectEqual(try await bench.lease(b, variant: "b", within: three).count, 1, "the last place")
            try expectEqual(try await bench.lease(a, within: three), [], "full")
        },
        promise("a limit on running jobs does not count those of another endpoint") { bench in
            let one = EndpointQuotas(endpoint: Quota(runningMax: 1), tenant: Quota(runningMax: 1))
            _ = try await bench.running(.fixture(endpoint: "tags", in: bench.surroundings))
            let job = try await bench.submit()
            try expectEqual(try await bench.lease(try await bench.worker(), within: one).map(\.id), [job.id], "leased")
        },
        promise("each end of an attempt makes room: success, failure, release and crash") { bench in
            let one = EndpointQuotas(endpoint: Quota(runningMax: 1), tenant: Quota(runningMax: 1))
            let worker = try await bench.worker()
            for outcome in [.succeeded(outputs: []), .failed(.final), .released(reason: "drain"), nil] as [AttemptReport.Outcome?] {
                _ = try await bench.submit(2)
                let job = try head(of: try await bench.lease(worker, within: one))
                try expectEqual(try await bench.lease(worker, within: one), [], "full")
                if let outcome { _ = try await bench.settle(job, outcome) } else { _ = try await bench.crash(job) }
                let next = try await bench.lease(worker, within: one)
                try expectEqual(next.count, 1, "room after \(String(describing: outcome))")
                try await bench.settleAll(next)
            }
        },
        promise("a worker that waits for room has it within a second when an attempt ends") { bench in
            let one = EndpointQuotas(endpoint: Quota(runningMax: 1))
            let running = try await bench.running()
            let job = try await bench.submit()
            let wait = try await bench.waiting(try await bench.worker(), within: one)
            try await bench.settleAll([running])
            try expectEqual(try await bench.letTimePass(until: wait).map(\.id), [job.id], "leased")
            try expect(bench.clock.now.since(job.createdAt) <= .seconds(2), "it took \(bench.clock.now.since(job.createdAt))")
        },
    ]

    /// Who comes in.
    static let door: [StoreCase] = [
        promise("a tenant's queue that is full takes no more, and says when to come again") { bench in
            let three = EndpointQuotas(tenant: Quota(queuedMax: 3))
            try expectEqual(try await bench.knock(["acme", "acme", "acme"], within: three), [true, true, true], "with room")
            let job = Job.fixture(in: bench.surroundings)
            let refusal = try require(try await bench.admit([job], within: three).first?.refusal, "refusal")
            try expectEqual(refusal.code, .quotaExceeded, "code")
            try expect(refusal.retryAfter ?? .zero > .zero, "there is no time to come again in \(refusal)")
            try expectEqual(try await bench.store.job(job.id), nil, "the refused job")
            try expectEqual(try await bench.knock(["other"], within: three), [true], "another tenant")
            try expectEqual(try await bench.lease(try await bench.worker(), jobsMax: 2).count, 2, "leased")
            try expectEqual(try await bench.knock(["acme", "acme", "acme"], within: three), [true, false, false], "a place is free again")
        },
        promise("an endpoint's queue that is full counts all tenants and variants, but no other endpoint") { bench in
            let four = EndpointQuotas(endpoint: Quota(queuedMax: 4))
            _ = try await bench.submit(1, tenant: "first")
            _ = try await bench.submit(2, tenant: "second", variant: "b")
            try expectEqual(try await bench.knock(["third", "first"], within: four), [true, false], "at the limit")
            try expectEqual(try await bench.knock(["first"], within: four, endpoint: "tags"), [true], "another endpoint")
        },
        promise("in one request those that a quota refuses leave the others in, each with its verdict") { bench in
            let quotas = EndpointQuotas(tenant: Quota(queuedMax: 2))
            let tenants = ["a", "a", "a", "b", "a", "b", "b", "c"]
            try expectEqual(try await bench.knock(tenants, within: quotas), [true, true, false, true, false, true, false, true], "verdicts")
            try expectEqual(try await bench.store.count(matching: JobFilter(states: [.queued])), 5, "queued")
        },
        promise("jobs come no faster than their rate, with a burst, and may come when they were told") { bench in
            let quotas = EndpointQuotas(tenant: Quota(rate: RateLimit(jobs: 2, per: .seconds(10), burst: 3)))
            try expectEqual(try await bench.knock(["acme", "acme", "acme", "acme"], within: quotas), [true, true, true, false], "burst")
            let refusal = try require(try await bench.admit([.fixture(in: bench.surroundings)], within: quotas).first?.refusal, "refusal")
            try expectEqual(refusal.code, .quotaExceeded, "code")
            let wait = try require(refusal.retryAfter, "time to come again")
            try expectEqual(wait, .seconds(5), "wait")
            bench.clock.advance(by: wait - .milliseconds(1))
            try expectEqual(try await bench.knock(["acme", "other"], within: quotas), [false, true], "too early")
            bench.clock.advance(by: .milliseconds(1))
            try expectEqual(try await bench.knock(["acme", "acme"], within: quotas), [true, false], "at the time")
        },
        promise("an endpoint's rate is shared by its tenants, and a refused job uses none of it") { bench in
            let quotas = EndpointQuotas(
                endpoint: Quota(rate: RateLimit(jobs: 1, per: .seconds(10), burst: 2)), tenant: Quota(queuedMax: 1))
            try expectEqual(try await bench.knock(["a", "a", "a", "b", "c"], within: quotas), [true, false, false, true, false], "verdicts")
        },
        promise("a clock that is set back does not close the door") { bench in
            let quotas = EndpointQuotas(tenant: Quota(rate: RateLimit(jobs: 1, per: .seconds(10))))
            try expectEqual(try await bench.knock(["acme"], within: quotas), [true], "first")
            bench.clock.step(by: .seconds(-3600))
            try expectEqual(try await bench.knock(["acme", "acme"], within: quotas), [true, false], "after the step")
            bench.clock.advance(by: .seconds(10))
            try expectEqual(try await bench.knock(["acme"], within: quotas), [true], "after the wait")
        },
        promise("a job that came before under its key is no new one to a quota") { bench in
            let quotas = EndpointQuotas(tenant: Quota(queuedMax: 1, rate: RateLimit(jobs: 1, per: .seconds(60))))
            let key = NewJob.Idempotency(key: "key", fingerprint: "body")
            func knock() async throws -> Admission {
                try head(of: try await bench.store.admit([NewJob(job: .fixture(in: bench.surroundings), idempotency: key)], within: quotas))
            }
            guard case .admitted(let job) = try await knock() else { throw ConformanceFailure(description: "the first was not admitted") }
            for _ in 0..<3 { try expectEqual(try await knock(), .existing(job), "again") }
        },
        promise("a refused job leaves its key free") { bench in
            let quotas = EndpointQuotas(tenant: Quota(queuedMax: 1))
            let first = try await bench.submit()
            let new = NewJob(job: .fixture(in: bench.surroundings), idempotency: .init(key: "key", fingerprint: "body"))
            try expect(try await bench.store.admit([new], within: quotas).first?.refusal != nil, "the queue was not full")
            _ = try await bench.store.cancel(first.id)
            try expectEqual(try await bench.store.admit([new], within: quotas), [.admitted(new.job)], "later")
        },
    ]
}
