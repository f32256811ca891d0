import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let waiting: [StoreCase] = [
        promise("a worker that waits gets a job the moment it comes") { bench in
            let wait = try await bench.waiting(try await bench.worker())
            let job = try await bench.submit(.fixture(input: ["n": 1], in: bench.surroundings))
            let leased = try await wait.value
            try expectEqual(leased.map(\.id), [job.id], "leased")
            try expectEqual(leased.map(\.input), [job.input], "its input")
            try expectEqual(try await bench.found(job).state, .running, "state")
            try expectEqual(try await bench.renew(head(of: leased)), .held, "renewal")
        },
        promise("a worker that waits gets what is there at once") { bench in
            let jobs = try await bench.submit(2)
            let demand = LeaseDemand(worker: try await bench.worker(), endpoint: "ocr", variant: "a", jobsMax: 5, duration: .seconds(15))
            try expectEqual(try await bench.store.lease(demand, waiting: .seconds(600)).map(\.id), jobs.map(\.id), "leased")
        },
        promise("a worker that waits gets a job that is given back, retried or released for it") { bench in
            let job = try await bench.running()
            let wait = try await bench.waiting(try await bench.worker())
            _ = try await bench.settle(job, .released(reason: "drain"))
            let again = try head(of: try await wait.value)
            try expectEqual(again.id, job.id, "given back")
            _ = try await bench.settle(again, .failed(.final))
            let second = try await bench.waiting(try await bench.worker())
            _ = try await bench.store.retry(job.id)
            try expectEqual(try await second.value.map(\.id), [job.id], "retried")
        },
        promise("a worker that waits for a paused endpoint gets work when it is opened") { bench in
            let job = try await bench.submit()
            try await bench.store.setMode(.paused, of: "ocr", reason: nil)
            let wait = try await bench.waiting(try await bench.worker())
            try await bench.store.setMode(.open, of: "ocr", reason: nil)
            try expectEqual(try await wait.value.map(\.id), [job.id], "leased")
        },
        promise("a worker that waits gets a job whose time has come") { bench in
            let job = try await bench.submit(.fixture(runAt: bench.clock.now + .seconds(3), in: bench.surroundings))
            let wait = try await bench.waiting(try await bench.worker())
            for _ in 0..<3 {
                try await bench.clock.waitForSleepers()
                bench.clock.advance(by: .seconds(1))
            }
            try expectEqual(try await wait.value.map(\.id), [job.id], "leased")
        },
        promise("a wait ends at its limit, empty") { bench in
            let wait = try await bench.waiting(try await bench.worker(), for: .seconds(3))
            for _ in 0..<3 {
                try await bench.clock.waitForSleepers()
                bench.clock.advance(by: .seconds(1))
            }
            try expectEqual(try await wait.value, [], "leased")
            let job = try await bench.submit()
            try expectEqual(try await bench.lease(try await bench.worker()).map(\.id), [job.id], "a later job is for others")
        },
        promise("work for another variant or endpoint leaves a worker waiting") { bench in
            let wait = try await bench.waiting(try await bench.worker(), for: .seconds(2))
            _ = try await bench.submit(1, variant: "b")
            _ = try await bench.submit(.fixture(endpoint: "tags", in: bench.surroundings))
            try expectEqual(try await bench.letTimePass(until: wait), [], "leased")
        },
        promise("two workers that wait get different jobs") { bench in
            let one = try await bench.waiting(try await bench.worker())
            let two = try await bench.waiting(try await bench.worker(), besides: 1)
            let jobs = try await bench.submit(2)
            let leased = try await [one.value, two.value]
            try expectEqual(leased.map(\.count), [1, 1], "each")
            try expectEqual(Set(leased.flatMap(\.self).map(\.id)), Set(jobs.map(\.id)), "jobs")
        },
        promise("one job wakes one of two workers that wait, and the other waits on") { bench in
            let waits = [
                try await bench.waiting(try await bench.worker()), try await bench.waiting(try await bench.worker(), besides: 1),
            ]
            let first = try await bench.submit()
            try await bench.clock.waitForSleepers(1)
            let second = try await bench.submit()
            var leased: [JobID] = []
            for wait in waits { leased += try await wait.value.map(\.id) }
            try expectEqual(Set(leased), [first.id, second.id], "jobs")
        },
        promise("a wait that was cancelled swallows no job that comes later") { bench in
            let wait = try await bench.waiting(try await bench.worker())
            wait.cancel()
            let abandoned = try? await wait.value
            try expect(abandoned?.isEmpty ?? true, "the cancelled wait got \(String(describing: abandoned))")
            let job = try await bench.submit()
            try expectEqual(try await bench.lease(try await bench.worker()).map(\.id), [job.id], "leased")
        },
        promise("a wait that is cancelled while a job comes either has it or gives it back, uncounted") { bench in
            for _ in 0..<30 {
                let wait = try await bench.waiting(try await bench.worker())
                async let submitted = bench.submit()
                wait.cancel()
                let job = try await submitted
                let got = (try? await wait.value) ?? []
                let other = try await bench.worker()
                let demand = LeaseDemand(worker: other, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15))
                let leased = got.isEmpty ? try await bench.store.lease(demand, waiting: .seconds(600)) : got
                try expectEqual(leased.map(\.id), [job.id], "leased")
                try expectEqual(leased.map { [$0.attempt, $0.crashes] }, [[1, 0]], "counters")
                try await bench.settleAll(leased)
            }
        },
        promise("a worker that is told to drain while it waits gets nothing any more") { bench in
            let worker = try await bench.worker()
            let wait = try await bench.waiting(worker, for: .seconds(2))
            try await bench.store.drain([worker])
            let job = try await bench.submit()
            try expectEqual(try await bench.letTimePass(until: wait), [], "leased")
            try expectEqual(try await bench.lease(try await bench.worker()).map(\.id), [job.id], "another worker's")
        },
    ]
}
