import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let ordering: [StoreCase] = [
        promise("the highest priority goes first, then the oldest") { bench in
            var jobs: [Job] = []
            for priority in [5, 9, 5, 0, 9] {
                jobs.append(try await bench.submit(.fixture(priority: priority, in: bench.surroundings)))
                bench.clock.advance(by: .milliseconds(10))
            }
            let leased = try await bench.lease(try await bench.worker())
            try expectEqual(leased.map(\.id), [1, 4, 0, 2, 3].map { jobs[$0].id }, "order")
        },
        promise("no job runs before its time, and one for later keeps none waiting") { bench in
            let later = try await bench.submit(.fixture(priority: 9, runAt: bench.clock.now + .seconds(60), in: bench.surroundings))
            let now = try await bench.submit(.fixture(priority: 0, in: bench.surroundings))
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker).map(\.id), [now.id], "leased at once")
            bench.clock.advance(by: .milliseconds(59_999))
            try expectEqual(try await bench.lease(worker).map(\.id), [], "leased too early")
            bench.clock.advance(by: .milliseconds(1))
            try expectEqual(try await bench.lease(worker).map(\.id), [later.id], "leased later")
        },
        promise("a lease takes no more jobs than asked for") { bench in
            for _ in 0..<5 { _ = try await bench.submit() }
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker, jobsMax: 3).count, 3, "first")
            try expectEqual(try await bench.lease(worker, jobsMax: 0).count, 0, "none asked for")
            try expectEqual(try await bench.lease(worker, jobsMax: 3).count, 2, "the rest")
        },
        promise("a lease takes only jobs of its endpoint and variant") { bench in
            let ocr = try await bench.submit()
            let canary = try await bench.submit(.fixture(variant: "b", in: bench.surroundings))
            let other = try await bench.submit(.fixture(endpoint: "tags", in: bench.surroundings))
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker).map(\.id), [ocr.id], "ocr a")
            try expectEqual(try await bench.lease(worker, variant: "b").map(\.id), [canary.id], "ocr b")
            try expectEqual(try await bench.lease(worker, endpoint: "tags").map(\.id), [other.id], "tags a")
        },
    ]

    static let leasing: [StoreCase] = [
        promise("a leased job runs, with a lease that ends when asked for") { bench in
            let job = try await bench.running()
            try expectEqual(job.state, .running, "state")
            try expectEqual([job.attempt, job.leases, job.crashes], [1, 1, 0], "counters")
            try expectEqual(job.startedAt, bench.clock.now, "startedAt")
            try expectEqual(job.lease?.expiresAt, bench.clock.now + .seconds(15), "end of the lease")
            try expectEqual(try await bench.found(job), job, "stored job")
        },
        promise("a worker that is not registered leases nothing") { bench in
            _ = try await bench.submit()
            try await bench.expectError(.workerUnknown) { _ = try await bench.lease(bench.surroundings.makeID()) }
        },
        promise("a draining worker leases nothing, and keeps what it holds") { bench in
            let job = try await bench.running()
            let worker = try require(job.lease?.worker, "worker")
            _ = try await bench.submit()
            try await bench.store.drain([worker])
            try expectEqual(try await bench.lease(worker), [], "leased")
            try expectEqual(try await bench.renew(job), .held, "renewal")
            try expectEqual(try await bench.settle(job, .succeeded(outputs: [])), .held, "settling")
        },
        promise("a worker that has been silent for a lease's length leases nothing until it is heard again") { bench in
            let worker = try await bench.worker()
            let job = try await bench.submit()
            bench.clock.advance(by: .seconds(15))
            let demand = LeaseDemand(worker: worker, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15))
            try expectEqual(try await bench.store.lease(demand), [], "leased by a silent worker")
            _ = try await bench.store.touch(worker, readyAt: nil)
            try expectEqual(try await bench.store.lease(demand).map(\.id), [job.id], "leased when heard again")
        },
        promise("a lease that never reached its worker is given back, uncounted, when the worker asks again") { bench in
            let known = try await bench.running()
            let worker = try require(known.lease?.worker, "worker")
            let lost = try await bench.submit()
            try expectEqual(try await bench.lease(worker).map(\.id), [lost.id], "leased in the lost answer")
            let demand = LeaseDemand(
                worker: worker, endpoint: "ocr", variant: "a", jobsMax: 5, duration: .seconds(15),
                held: [try require(known.lease?.token, "token")])
            let again = try await bench.store.lease(demand)
            try expectEqual(again.map(\.id), [lost.id], "leased again")
            try expectEqual(again.map { [$0.attempt, $0.crashes, $0.leases] }, [[1, 0, 2]], "counters")
            try expectEqual(try await bench.found(known), known, "the known lease")
        },
        promise("a request for work that a later one has overtaken gets nothing, and gives nothing back") { bench in
            let worker = try await bench.worker()
            let job = try await bench.submit()
            try expectEqual(try await bench.ask(worker, 2).map(\.id), [job.id], "the later request")
            let other = try await bench.submit()
            let known = try await bench.found(job)
            try expectEqual(try await bench.ask(worker, 1), [], "the earlier one")
            try expectEqual(try await bench.ask(worker, 2), [], "another copy of the later one")
            try expectEqual(try await bench.found(job), known, "what the later one was given")
            try expectEqual(try await bench.found(other).state, .queued, "what came meanwhile")
        },
        promise("a later request for work gives back what an answer that was lost had granted") { bench in
            let worker = try await bench.worker()
            let job = try await bench.submit()
            try expectEqual(try await bench.ask(worker, 1).map(\.id), [job.id], "granted in the lost answer")
            let again = try await bench.ask(worker, 2)
            try expectEqual(again.map(\.id), [job.id], "leased again")
            try expectEqual(again.map { [$0.attempt, $0.crashes, $0.leases] }, [[1, 0, 2]], "counters")
        },
        promise("a request that goes on waiting finds what comes, until a later one is given something") { bench in
            let worker = try await bench.worker()
            try expectEqual(try await bench.ask(worker, 1), [], "nothing is there")
            let job = try await bench.submit()
            try expectEqual(try await bench.ask(worker, 1, isWaiting: true).map(\.id), [job.id], "found while it waited")
            let token = try require(try await bench.found(job).lease?.token, "token")
            try expectEqual(try await bench.ask(worker, 2, held: [token]), [], "a later request finds nothing")
            let next = try await bench.submit()
            try expectEqual(try await bench.ask(worker, 3, held: [token]).map(\.id), [next.id], "one later still")
            _ = try await bench.submit()
            try expectEqual(try await bench.ask(worker, 2, isWaiting: true), [], "overtaken while it waited")
        },
        promise("a worker's requests are counted on when it repeats its registration, and anew when its process is another") { bench in
            let worker = try await bench.worker()
            let record = try require(try await bench.store.workers().first { $0.id == worker }, "the worker's record")
            _ = try await bench.submit()
            try expectEqual(try await bench.ask(worker, 5).count, 1, "the fifth request")
            _ = try await bench.submit()
            try await bench.store.register(record)
            try expectEqual(try await bench.ask(worker, 4), [], "an earlier request, after a repeated registration")
            var other = record
            other.startedAt = record.startedAt + .seconds(1)
            try await bench.store.register(other)
            try expectEqual(try await bench.ask(worker, 1).count, 2, "the first request of another process")
        },
        promise("a worker that does not count its requests is served as it asks") { bench in
            let worker = try await bench.worker()
            _ = try await bench.ask(worker, 7)
            let job = try await bench.submit()
            try expectEqual(try await bench.ask(worker, nil).map(\.id), [job.id], "a request without a number")
        },
        promise("many workers at once lease disjoint jobs") { bench in
            for _ in 0..<60 { _ = try await bench.submit() }
            let ids = try await bench.leaseConcurrently(workers: 6, on: [bench.store])
            try expectEqual(ids.count, 60, "leased")
            try expectEqual(Set(ids).count, 60, "different jobs")
        },
        promise("a heartbeat renews the lease from now") { bench in
            let job = try await bench.running()
            bench.clock.advance(by: .seconds(10))
            try expectEqual(try await bench.renew(job, for: .seconds(20)), .held, "verdict")
            try expectEqual(try await bench.found(job).lease?.expiresAt, bench.clock.now + .seconds(20), "end of the lease")
        },
        promise("a job keeps running for as long as heartbeats come") { bench in
            let job = try await bench.running(.fixture(runLimit: .seconds(100_000), in: bench.surroundings))
            for _ in 0..<100 {
                bench.clock.advance(by: .seconds(14))
                try expectEqual(try await bench.store.rescue(limit: 10), [], "rescued")
                try expectEqual(try await bench.renew(job), .held, "verdict")
            }
        },
        promise("a late heartbeat renews a lease that nobody took back") { bench in
            let job = try await bench.running()
            bench.clock.advance(by: .seconds(60))
            try expectEqual(try await bench.renew(job), .held, "verdict")
            try expectEqual(try await bench.store.rescue(limit: 10), [], "rescued")
        },
        promise("heartbeats bring progress, and the job shows the newest") { bench in
            let job = try await bench.running()
            _ = try await bench.renew(job, progress: JobProgress(done: 1, total: 4, unit: "pages"))
            _ = try await bench.renew(job, progress: JobProgress(done: 2, total: 4, unit: "pages", metrics: ["loss": 0.25]))
            _ = try await bench.renew(job)
            try expectEqual(
                try await bench.found(job).progress, JobProgress(done: 2, total: 4, unit: "pages", metrics: ["loss": 0.25]), "progress")
        },
        promise("an attempt past its run limit is told so, and keeps its lease") { bench in
            let job = try await bench.running(.fixture(runLimit: .seconds(30), in: bench.surroundings))
            for second in [10, 20, 30] {
                bench.clock.advance(by: .seconds(10))
                try expectEqual(try await bench.renew(job), .held, "after \(second) s, the limit being 30")
            }
            bench.clock.advance(by: .milliseconds(1))
            try expectEqual(try await bench.renew(job), .timeout, "past the limit")
            try expectEqual(try await bench.settle(job, .failed(.final)), .held, "settling")
        },
        promise("the run limit does not count a time in which nothing was heard: an outage, or a clock that was set") { bench in
            let job = try await bench.running(.fixture(runLimit: .seconds(30), in: bench.surroundings))
            bench.clock.advance(by: .seconds(3600))
            try expectEqual(try await bench.renew(job), .held, "after an hour of silence, of which one lease counts")
            bench.clock.advance(by: .seconds(15))
            try expectEqual(try await bench.renew(job), .held, "at the limit")
            bench.clock.advance(by: .milliseconds(1))
            try expectEqual(try await bench.renew(job), .timeout, "past the limit")
        },
        promise("the run limit counts each attempt anew") { bench in
            let job = try await bench.running(.fixture(runLimit: .seconds(30), in: bench.surroundings))
            bench.clock.advance(by: .seconds(29))
            _ = try await bench.settle(job, .released(reason: "drain"))
            let again = try head(of: try await bench.lease(try await bench.worker()))
            bench.clock.advance(by: .seconds(29))
            try expectEqual(try await bench.renew(again), .held, "verdict")
        },
    ]
}

extension StoreBench {
    /// Leases everything by workers that run at the same time, spread over the given facades.
    func leaseConcurrently(workers: Int, on stores: [any Store]) async throws -> [JobID] {
        var ids: [WorkerID] = []
        for _ in 0..<workers { ids.append(try await worker()) }
        return try await withThrowingTaskGroup(of: [JobID].self) { group in
            for (index, worker) in ids.enumerated() {
                let bench = StoreBench(store: stores[index % stores.count], clock: clock)
                group.addTask {
                    var taken: [JobID] = []
                    while case let jobs = try await bench.lease(worker, jobsMax: 3), !jobs.isEmpty { taken += jobs.map(\.id) }
                    return taken
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }
}

extension StoreBench {
    /// A request for work as a worker makes it, with its number and what it holds.
    fileprivate func ask(
        _ worker: WorkerID, _ request: Int64?, held: Set<LeaseToken> = [], isWaiting: Bool = false
    ) async throws -> [Job] {
        let demand = LeaseDemand(
            worker: worker, endpoint: "ocr", variant: "a", jobsMax: 5, duration: .seconds(15), held: held, request: request)
        return try await store.lease(isWaiting ? demand.waitingOn : demand)
    }
}
