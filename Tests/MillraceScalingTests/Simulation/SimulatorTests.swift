import MillraceCore
import Testing

@testable import MillraceScaling

@Suite("The what-if simulator") struct SimulatorTests {
    private let fleet = FleetModel(boot: .fixed(180), pull: .fixed(60))

    private func targetWait(_ seconds: Int, max: Int = 20) -> SimulatedPolicy {
        var scaling = ScalingConfiguration()
        (scaling.max, scaling.targetWait) = (max, .seconds(seconds))
        return SimulatedPolicy(name: "targetWait", policy: TargetWaitPolicy(target: .seconds(seconds)), cadence: .events(spacing: 1), scaling: scaling)
    }

    private func always(_ workers: Int) -> SimulatedPolicy {
        var scaling = ScalingConfiguration()
        (scaling.min, scaling.max) = (workers, workers)
        return SimulatedPolicy(name: "always", policy: AlwaysPolicy(workers: workers), scaling: scaling)
    }

    @Test func `one worker and three jobs, by hand`() throws {
        let jobs = ListedArrivals([Arrival(at: 0, work: 10), Arrival(at: 5, work: 10), Arrival(at: 300, work: 10)])
        let report = try Simulator.run(jobs, SimulationSetup(service: ServiceModel(base: 1), fleet: fleet), always(1))
        // Ready at 240: starts at 240, 250, and 300; waits of 240, 245 and 0.
        #expect(report.waits.most == 245 && report.waits.count == 3)
        #expect(abs(report.waits.sum - 485) < 1e-6)
        #expect(report.turnarounds.most == 255)
        #expect(report.lastEndedAt == 310)
        #expect(report.workedSeconds == 30)
        // Paid until an hour after the last job: nobody lets an always-on worker go.
        #expect(abs(report.paidSeconds - (310 + 3600)) < 1e-6)
    }

    @Test func `step alarms, by hand`() throws {
        let jobs = ListedArrivals([Arrival(at: 10, work: 5)])
        let report = try Simulator.run(jobs, SimulationSetup(service: ServiceModel(base: 1), fleet: fleet), Preset.step.policy(max: 20))
        // Seen at 60, ready at 300, done at 305, gone by the alarm at 300 that found an empty queue.
        #expect(report.waits.most == 290)
        #expect(report.paidSeconds == 245)
        #expect(report.starts == 1 && report.coldStarts == 1)
    }

    @Test func `the same seed gives the same report, another one another`() throws {
        func report(_ seed: UInt64) throws -> SimulationReport {
            var setup = SimulationSetup(service: ServiceModel(base: 2, noise: 0.5), fleet: fleet, seed: seed)
            setup.fleet.boot = .lognormal(mean: 100, sigma: 0.4)
            setup.fleet.interruptionsPerHour = 0.5
            return try Simulator.run(Workload(.diurnal, perHour: 300, duration: 40_000, seed: seed), setup, targetWait(30))
        }
        #expect(try report(3) == report(3))
        #expect(try report(3) != report(4))
    }

    @Test(arguments: Workload.Shape.allCases)
    func `no job is lost or doubled and no busy worker killed, though machines are taken away`(shape: Workload.Shape) throws {
        for subject in [targetWait(30), targetWait(600)] + Preset.allCases.map({ $0.policy(max: 20) }) {
            var setup = SimulationSetup(service: ServiceModel(base: 5, noise: 1), fleet: fleet, seed: 5)
            setup.fleet.interruptionsPerHour = 2
            let report = try Simulator.run(Workload(shape, perHour: 400, duration: 86_400, seed: 5), setup, subject)
            #expect(report.lost == 0 && report.doubled == 0 && report.busyKills == 0, "\(subject.name)")
            // Step alarms have two workers at most and may end with a queue.
            #expect(report.finished + report.unfinished == report.accepted, "\(subject.name)")
            #expect(report.interruptions > 0, "\(subject.name)")
            #expect(report.paidSeconds >= report.workedSeconds, "\(subject.name)")
        }
    }

    @Test func `jobs in batches go through the batching of production`() throws {
        var setup = SimulationSetup(service: ServiceModel(base: 1, byBatchSize: [(1, 1), (8, 2)]), fleet: FleetModel(boot: .fixed(1)))
        setup.batching.itemsMax = 8
        let jobs = ListedArrivals((0..<16).map { _ in Arrival(at: 0) })
        let report = try Simulator.run(jobs, setup, always(1))
        // Two full batches of two seconds each.
        #expect(report.lastEndedAt == 5)
        #expect(report.finished == 16 && report.lost == 0)
    }

    @Test(arguments: [
        // Of a trace with durations; of tokens, whose mean is 100; of both kinds of jobs, long and short.
        (ServiceModel(base: 1, byBatchSize: [(1, 0.1), (8, 0.3)]), [Arrival(at: 0, work: 0.1)], [0.1]),
        (ServiceModel(base: 0.2, perOutputToken: 0.015, byBatchSize: [(1, 1.7), (8, 3)]), [Arrival(at: 0, outputSize: 100)], [1.7]),
        (ServiceModel(base: 1, byBatchSize: [(1, 2), (8, 3)]), [Arrival(at: 0, work: 5), Arrival(at: 50, work: 15)], [1, 3]),
        (ServiceModel(base: 1, byBatchSize: [(1, 2), (8, 3)]), [Arrival(at: 0), Arrival(at: 50)], [2, 2]),
    ])
    func `the mean job takes what was measured of a batch of one, others in proportion`(
        service: ServiceModel, jobs: [Arrival], took: [Double]
    ) throws {
        var setup = SimulationSetup(service: service)
        setup.service.meanWork = try service.meanWork(of: ListedArrivals(jobs))
        setup.batching.itemsMax = 8
        setup.batching.waitMax = .zero
        let report = try Simulator.run(ListedArrivals(jobs), setup, always(1))
        #expect(abs(report.workedSeconds - took.reduce(0, +)) < 1e-9)
        #expect(abs(report.lastEndedAt - jobs.last!.at - took.last!) < 0.002)
    }

    @Test func `a batch of mean jobs takes what was measured of it`() throws {
        let service = ServiceModel(base: 0.2, perOutputToken: 0.015, byBatchSize: [(1, 1.7), (8, 3)], meanWork: 1.7)
        #expect(abs(service.seconds(count: 8, work: 8 * 1.7) - 3) < 1e-9)
        #expect(abs(service.seconds(count: 1, work: 1.7) - 1.7) < 1e-9)
    }

    private func configured(_ change: (inout ScalingConfiguration) -> Void) -> SimulatedPolicy {
        var scaling = ScalingConfiguration()
        change(&scaling)
        return SimulatedPolicy(name: "configured", policy: ConfiguredPolicy(), cadence: .events(spacing: 1), scaling: scaling)
    }

    @Test func `a schedule's hours are counted from the start, in its time zone`() throws {
        var setup = SimulationSetup(service: ServiceModel(base: 1), fleet: FleetModel(boot: .fixed(60)))
        // Nine in Berlin, in winter.
        setup.startsAt = try #require(Timestamp("2026-11-23T08:00:00Z"))
        let subject = configured { $0.schedule = [.init(from: 10 * 60, until: 12 * 60, timeZone: "Europe/Berlin", min: 1)] }
        func wait(_ at: Double) throws -> Double { try Simulator.run(ListedArrivals([Arrival(at: at, work: 1)]), setup, subject).waits.most }
        #expect(try wait(1800) == 60, "half past nine: nobody is there")
        #expect(try wait(5400) == 0, "half past ten: one is")
        #expect(try wait(15_000) == 60, "after one: it is gone")
    }

    @Test func `a budget's hours are those of a day in UTC, and at the cap jobs wait for the next`() throws {
        var setup = SimulationSetup(service: ServiceModel(base: 1), fleet: FleetModel())
        // Two hours before midnight.
        setup.startsAt = try #require(Timestamp("2026-11-23T22:00:00Z"))
        let jobs = (0..<10).map { Arrival(at: Double($0), work: 600) }
        let subject = configured { $0.budget.gpuHoursPerDayMax = 0.75 }
        let report = try Simulator.run(ListedArrivals(jobs), setup, subject)
        // Five begin within three quarters of an hour, one after the other; the rest at midnight.
        #expect(report.finished == 10 && report.busyKills == 0)
        #expect(abs(report.lastEndedAt - (7200 + 5 * 600)) < 1, "\(report.lastEndedAt)")
    }

    @Test func `a budget of costs holds for the workers of a moment, also those that drain`() throws {
        let jobs = (0..<100).map { Arrival(at: Double($0), work: 100) }
        let subject = configured { scaling in
            (scaling.max, scaling.price, scaling.policy) = (10, 2, .backlogPerWorker(1))
            scaling.budget.costPerHourMax = 6
        }
        let report = try Simulator.run(ListedArrivals(jobs), SimulationSetup(service: ServiceModel(base: 1)), subject)
        let most = report.timeline.intervals.map { ($0.busy + $0.draining + $0.idle + $0.starting) / report.timeline.width }.max() ?? 0
        #expect(report.finished == 100 && most > 2.9 && most < 3.001, "\(most)")
    }

    @Test func `a fleet that has no more machines is asked again, not exceeded`() throws {
        var setup = SimulationSetup(service: ServiceModel(base: 60), fleet: fleet)
        setup.fleet.capacity = 2
        let report = try Simulator.run(Workload(.steady, perHour: 200, duration: 7200, seed: 1), setup, Preset.keda.policy(max: 20))
        #expect(report.refusals > 0)
        #expect(report.timeline.intervals.allSatisfy { ($0.busy + $0.idle + $0.starting + $0.draining) / report.timeline.width <= 2.001 })
    }

    @Test func `workers that drain and still work are among the most that there may be`() throws {
        // A long job, then another as soon as the alarm has let its worker go.
        let jobs = ListedArrivals((0..<40).map { Arrival(at: Double($0) * 70, work: 200) })
        var setup = SimulationSetup(service: ServiceModel(base: 1), fleet: FleetModel(boot: .fixed(20)))
        setup.fleet.capacity = 10
        let report = try Simulator.run(jobs, setup, Preset.step.policy(max: 2))
        #expect(report.finished == 40 && report.refusals == 0)
        #expect(report.timeline.intervals.allSatisfy { ($0.busy + $0.idle + $0.starting + $0.draining) / report.timeline.width <= 2.001 })
    }

    @Test(arguments: Preset.allCases)
    func `presets keep to a minimum`(preset: Preset) throws {
        let report = try Simulator.run(
            ListedArrivals([Arrival(at: 0, work: 1), Arrival(at: 40_000, work: 1)]), SimulationSetup(service: ServiceModel(base: 1), fleet: fleet),
            preset.policy(min: 2, max: 3))
        #expect(report.paidSeconds >= 2 * 40_000 && report.waits.percentile(0.5) < report.waits.most)
    }

    @Test func `what can never end is told, and does not run for ever`() throws {
        func run(_ arrivals: [Arrival], _ fleet: FleetModel) throws -> SimulationReport {
            try Simulator.run(ListedArrivals(arrivals), SimulationSetup(service: ServiceModel(base: 1), fleet: fleet), targetWait(10))
        }
        #expect(throws: MillraceError.self) { try run([Arrival(at: 0, work: 1), Arrival(at: 1.7e18, work: 1)], fleet) }
        #expect(throws: MillraceError.self) { try run([Arrival(at: 0, work: 1e300)], fleet) }
        let taken = #expect(throws: MillraceError.self) {
            try run([Arrival(at: 0, work: 72_000)], FleetModel(boot: .fixed(1), interruptionsPerHour: 3600))
        }
        #expect(taken?.message.contains("1 of 1 jobs have not ended") == true)
        // A notice that is due in a thousand years is no reason.
        #expect(try run([Arrival(at: 0, work: 1)], FleetModel(boot: .fixed(1), interruptionsPerHour: 1e-7)).finished == 1)
    }

    @Test func `the timeline adds up to what was paid, in an amount of memory that does not grow`() throws {
        for days in [1.0, 8] {
            let report = try Simulator.run(
                Workload(.bursts, perHour: 100, duration: days * 86_400, seed: 2), SimulationSetup(service: ServiceModel(base: 3), fleet: fleet), targetWait(60))
            let sum = report.timeline.intervals.reduce(0) { $0 + $1.busy + $1.idle + $1.starting + $1.draining }
            #expect(abs(sum - report.paidSeconds) < 1e-3 * report.paidSeconds)
            #expect(report.timeline.intervals.count <= 480)
        }
    }

    @Test func `a shorter target waits less and costs more`() throws {
        func report(_ seconds: Int) throws -> SimulationReport {
            try Simulator.run(
                Workload(.steady, perHour: 1800, duration: 86_400, seed: 9), SimulationSetup(service: ServiceModel(base: 4), fleet: fleet), targetWait(seconds))
        }
        let (short, long) = try (report(2), report(300))
        #expect(short.waits.percentile(0.95) < long.waits.percentile(0.95))
        #expect(short.idleHours > long.idleHours)
    }

    @Test func `the default policy keeps its promise where the load is steady`() throws {
        let report = try Simulator.run(
            Workload(.steady, perHour: 3600, duration: 2 * 86_400, seed: 4), SimulationSetup(service: ServiceModel(base: 3), fleet: fleet), targetWait(10))
        #expect(report.waits.share(above: 10) < 0.06)
    }
}

@Suite("When jobs become a hundred times longer") struct JumpTests {
    /// 1,000 jobs of half a second, then as many of 50 s, at the same rate: from nearly nobody to ten or more workers.
    @Test(arguments: [(60.0, 0.1), (240.0, 0.1), (60.0, 0.3), (240.0, 0.3)])
    func `the default policy is there before a quotient is, and for no more`(boot: Double, perSecond: Double) throws {
        var random = SeededRandom(seed: 1)
        var at = 0.0
        let jobs = (0..<2000).map { number in
            at += random.exponential() / perSecond
            return Arrival(at: at, work: number < 1000 ? 0.5 : 50)
        }
        func run(_ subject: SimulatedPolicy) throws -> SimulationReport {
            try Simulator.run(ListedArrivals(jobs), SimulationSetup(service: ServiceModel(base: 1), fleet: FleetModel(boot: .fixed(boot))), subject)
        }
        let keda = try run(Preset.keda.policy(max: 20))
        let ours = try [60, 240].map { target in
            var scaling = ScalingConfiguration()
            (scaling.max, scaling.targetWait) = (20, .seconds(target))
            return try run(SimulatedPolicy(name: "", policy: scaling.policy.policy, cadence: .events(spacing: 1), scaling: scaling))
        }
        #expect(
            ours.contains { $0.waits.percentile(0.95) <= keda.waits.percentile(0.95) && $0.workerHours <= keda.workerHours },
            "\(ours.map { ($0.waits.percentile(0.95), $0.workerHours) }), KEDA \((keda.waits.percentile(0.95), keda.workerHours))")
    }
}

@Suite("Tallies") struct TallyTests {
    @Test func `percentiles are right within half a percent`() {
        var tally = Tally()
        for value in 1...10_000 { tally.note(Double(value) / 10) }
        for (share, expected) in [(0.5, 500.0), (0.95, 950), (0.99, 990), (1, 1000)] {
            #expect(abs(tally.percentile(share) - expected) <= 0.005 * expected)
        }
        #expect(tally.count == 10_000 && abs(tally.mean - 500.05) < 1e-6)
    }

    @Test func `waits of nothing count`() {
        var tally = Tally()
        for _ in 0..<95 { tally.note(0) }
        for _ in 0..<5 { tally.note(7) }
        #expect(tally.percentile(0.95) == 0 && tally.percentile(0.96) > 6.9)
    }
}
