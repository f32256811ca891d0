import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let scaling: [StoreCase] = decisions + usage + starts

    private static let decisions: [StoreCase] = [
        promise("a fleet is shown as it was kept last, with the memory of its controller") { bench in
            try expectEqual(try await bench.store.fleets(), [], "before")
            var entry = ScalingEntry(status: bench.fleet("ocr"), memory: #"{"a":1}"#)
            try await bench.store.keep(entry)
            entry.status.state = .outOfCapacity
            entry.status.cause = "all 4 slots are taken"
            entry.status.budget = BudgetUse(gpuHoursToday: 1.5, gpuHoursPerDayMax: 40)
            entry.memory = "{}"
            try await bench.store.keep(entry)
            try await bench.store.keep(ScalingEntry(status: bench.fleet("classify")))
            let records = try await bench.store.fleets()
            try expectEqual(records.map(\.status.endpoint), ["classify", "ocr"], "order")
            try expectEqual(records.last, FleetRecord(status: entry.status, memory: "{}"), "kept last")
        },
        promise("decisions are listed with their inputs, the latest first, by endpoint and from a cursor on") { bench in
            for (index, endpoint) in ["ocr", "words", "ocr", "ocr"].enumerated() {
                bench.clock.advance(by: .seconds(1))
                try await bench.store.keep(ScalingEntry(status: bench.fleet(endpoint), decisions: [bench.decision(endpoint, to: index)]))
            }
            let all = try await bench.store.decisions(of: nil, before: nil, limit: 10)
            try expectEqual(all.map(\.to), [3, 2, 1, 0], "all")
            try expect(zip(all, all.dropFirst()).allSatisfy { $0.sequence > $1.sequence && $1.sequence > 0 }, "sequences do not rise")
            var expected = bench.decision("ocr", to: 3)
            expected.sequence = all[0].sequence
            try expectEqual(all[0], expected, "the latest")
            try expectEqual(try await bench.store.decisions(of: "ocr", before: all[0].sequence, limit: 1).map(\.to), [2], "from a cursor")
            try expectEqual(try await bench.store.decisions(of: "words", before: nil, limit: 10).map(\.to), [1], "of one endpoint")
            try expectEqual(try await bench.store.decisions(of: "nobody", before: nil, limit: 10), [], "of nobody")
        },
        promise("decisions are bounded by count and by age, and go on being numbered") { bench in
            var limits = ScalingLimits()
            limits.decisionsMax = 3
            limits.age = .seconds(60)
            for index in 0..<5 {
                bench.clock.advance(by: .seconds(10))
                try await bench.store.keep(
                    ScalingEntry(status: bench.fleet("ocr"), decisions: [bench.decision("ocr", to: index)]), within: limits, by: nil)
            }
            let kept = try await bench.store.decisions(of: nil, before: nil, limit: 10)
            try expectEqual(kept.map(\.to), [4, 3, 2], "by count")
            bench.clock.advance(by: .seconds(55))
            try await bench.store.keep(
                ScalingEntry(status: bench.fleet("ocr"), decisions: [bench.decision("ocr", to: 9)]), within: limits, by: nil)
            let later = try await bench.store.decisions(of: nil, before: nil, limit: 10)
            try expectEqual(later.map(\.to), [9, 4], "by age")
            try expect(later[0].sequence > kept[0].sequence, "a number came twice")
        },
        promise("a controller whose lead is over keeps nothing") { bench in
            let first = try require(try await bench.store.lead(.scaling, as: bench.surroundings.makeID(), for: .seconds(5)), "lead")
            bench.clock.advance(by: .seconds(6))
            let second = try require(try await bench.store.lead(.scaling, as: bench.surroundings.makeID(), for: .seconds(5)), "second lead")
            let entry = ScalingEntry(status: bench.fleet("ocr"), decisions: [bench.decision("ocr", to: 1)], usage: [bench.usage(seconds: 1)])
            try await bench.expectError(.leadershipLost) { try await bench.store.keep(entry, within: ScalingLimits(), by: first) }
            try expectEqual(try await bench.store.fleets(), [], "fleets")
            try expectEqual(try await bench.store.decisions(of: nil, before: nil, limit: 10), [], "decisions")
            try await bench.store.keep(entry, within: ScalingLimits(), by: second)
            try expectEqual(try await bench.store.decisions(of: nil, before: nil, limit: 10).count, 1, "of the second")
        },
    ]

    private static let usage: [StoreCase] = [
        promise("usage is added up by day, endpoint and variant, and old days go") { bench in
            var limits = ScalingLimits()
            limits.usageDays = 2
            let today = Day(of: bench.clock.now)
            for seconds in [10.0, 2.5] {
                try await bench.store.keep(ScalingEntry(status: bench.fleet("ocr"), usage: [bench.usage(seconds: seconds)]), within: limits, by: nil)
            }
            let found = try await bench.store.usage(from: today, through: today)
            var sum = bench.usage(seconds: 10)
            sum += bench.usage(seconds: 2.5)
            try expectEqual(found, [sum], "the sum")
            bench.clock.advance(by: .seconds(3 * 86_400))
            try await bench.store.keep(ScalingEntry(status: bench.fleet("ocr"), usage: [bench.usage(seconds: 1)]), within: limits, by: nil)
            let all = try await bench.store.usage(from: Day(number: 0), through: Day(of: bench.clock.now))
            try expectEqual(all.map(\.day), [Day(of: bench.clock.now)], "days left")
            try expectEqual(try await bench.store.usage(from: today, through: today), [], "an old day")
        },
        promise("totals count what came and ended, also when it is gone") { bench in
            for _ in 0..<3 { _ = try await bench.submit() }
            _ = try await bench.submit(.fixture(endpoint: "words", in: bench.surroundings))
            let worker = try await bench.worker()
            let leased = try await bench.lease(worker)
            bench.clock.advance(by: .seconds(4))
            _ = try await bench.settle(leased[0], .succeeded(outputs: []))
            _ = try await bench.settle(leased[1], .failed(.final))
            _ = try await bench.settle(leased[2], .failed(.retryable))
            _ = try await bench.store.cancel(leased[2].id)
            bench.clock.advance(by: .seconds(100))
            _ = try await bench.prune(finishedBefore: bench.clock.now, limit: 10)
            try expectEqual(
                try await bench.store.totals(),
                [
                    VariantTotals(endpoint: "ocr", variant: "a", admitted: 3, ended: 2, run: .seconds(8)),
                    VariantTotals(endpoint: "words", variant: "a", admitted: 1),
                ], "totals")
        },
    ]

    private static let starts: [StoreCase] = [
        promise("a start is put together from what its fleet and its worker say, in either order") { bench in
            let worker: WorkerID = bench.surroundings.makeID()
            let wanted = ColdStart(instance: "local:1", endpoint: "ocr", variant: "a", wantedAt: bench.clock.now)
            let told = ColdStart(instance: "local:1", endpoint: "ocr", variant: "a", worker: worker, marks: bench.marks())
            try await bench.store.keep(ScalingEntry(status: bench.fleet("ocr"), starts: [wanted]))
            try expectEqual(try await bench.store.coldStarts(of: "ocr", limit: 5), [wanted], "wanted")
            try await bench.store.keep(told)
            var whole = told
            whole.wantedAt = wanted.wantedAt
            try expectEqual(try await bench.store.coldStarts(of: nil, limit: 5), [whole], "told")
            for var part in [told, wanted] {
                part.instance = "local:2"
                part.endpoint = "words"
                try await bench.store.keep(part)
            }
            (whole.instance, whole.endpoint) = ("local:2", "words")
            try expectEqual(try await bench.store.coldStarts(of: "words", limit: 5), [whole], "the other way round")
            try expectEqual(try await bench.store.coldStarts(of: nil, limit: 1).map(\.instance), ["local:2"], "the latest")
        },
        promise("starts are bounded by count") { bench in
            var limits = ScalingLimits()
            limits.coldStartsMax = 2
            for index in 0..<4 {
                let start = ColdStart(instance: "local:\(index)", endpoint: "ocr", variant: "a", wantedAt: bench.clock.now)
                try await bench.store.keep(ScalingEntry(status: bench.fleet("ocr"), starts: [start]), within: limits, by: nil)
            }
            try expectEqual(try await bench.store.coldStarts(of: nil, limit: 9).map(\.instance), ["local:3", "local:2"], "left")
        },
        promise("a job knows the start of the worker that took it last, also when both are gone") { bench in
            let job = try await bench.running()
            let worker = try require(job.lease?.worker, "worker")
            try expectEqual(try await bench.store.coldStart(ofWorkerOf: job.id), nil, "before it was told")
            let start = ColdStart(instance: "local:1", endpoint: "ocr", variant: "a", worker: worker, marks: bench.marks())
            try await bench.store.keep(start)
            try expectEqual(try await bench.store.coldStart(ofWorkerOf: job.id), start, "running")
            _ = try await bench.settle(job, .succeeded(outputs: []))
            try await bench.store.deregister(worker)
            try expectEqual(try await bench.store.coldStart(ofWorkerOf: job.id), start, "ended")
            let other = try await bench.running()
            try expectEqual(try await bench.store.coldStart(ofWorkerOf: other.id), nil, "of a worker that said nothing")
        },
        promise("a recalled worker gives its work back uncounted with its checkpoint, and is given no more") { bench in
            let job = try await bench.running()
            let worker = try require(job.lease?.worker, "worker")
            let checkpoint = JobCheckpoint(position: .integer(7))
            _ = try await bench.renew(job, checkpoint: checkpoint)
            try await bench.store.recall([worker])
            let back = try await bench.found(job)
            try expectEqual(back.state, .queued, "state")
            try expectEqual(back.attempt, 0, "attempts counted")
            try expectEqual(back.checkpoint?.position, .integer(7), "checkpoint")
            try expectEqual(try await bench.renew(job), .lost, "its old lease")
            try expectEqual(try await bench.lease(worker), [], "given to it again")
            try expectEqual(try await bench.store.workers().map(\.draining), [true], "draining")
            try await bench.store.recall([worker, bench.surroundings.makeID()])
        },
    ]
}

extension StoreBench {
    fileprivate func fleet(_ endpoint: String) -> FleetStatus { FleetStatus(endpoint: endpoint, variant: "a", at: clock.now) }

    fileprivate func decision(_ endpoint: String, to count: Int) -> ScalingRecord {
        var inputs = ScalingRecord.Inputs()
        (inputs.ready, inputs.oldestWaitSeconds, inputs.jobsPerSecond) = (210, 1.5, 3.1)
        return ScalingRecord(
            at: clock.now, endpoint: endpoint, variant: "a", kind: .up, from: 0, to: count, reason: "210 jobs waiting", inputs: inputs)
    }

    fileprivate func usage(seconds: Double) -> WorkerUsage {
        var usage = WorkerUsage(day: Day(of: clock.now), endpoint: "ocr", variant: "a")
        (usage.usedSeconds, usage.busySeconds, usage.alwaysOnSeconds) = (seconds, seconds / 2, 100)
        (usage.jobs, usage.runSeconds, usage.cost) = (1, seconds / 4, seconds / 8)
        return usage
    }

    fileprivate func marks() -> ColdStart.Marks {
        .init(
            startedAt: clock.now, registeredAt: clock.now + .milliseconds(60), fetchedAt: clock.now + .milliseconds(60),
            loadedAt: clock.now + .seconds(3), readyAt: clock.now + .seconds(4))
    }
}
