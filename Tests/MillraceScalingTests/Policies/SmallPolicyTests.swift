import MillraceCore
import Testing

@testable import MillraceScaling

@Suite("Step, backlog, always, schedule and the configured choice") struct SmallPolicyTests {
    private let policy = ConfiguredPolicy()

    @Test func `backlog per worker wakes from zero for one job, whatever its window`() {
        let seen = observation(ready: 1) {
            $0.policy = .backlogPerWorker(5)
            $0.up.stabilization = .seconds(180)
        }
        #expect(policy.decide(seen).desired == 1)
    }

    @Test func `backlog per worker counts what runs`() {
        #expect(policy.decide(observation(ready: 6, running: 5, workers: busy(1)) { $0.policy = .backlogPerWorker(5) }).desired == 3)
    }

    @Test func `no policy of a server drains a busy worker`() {
        for choice in [ScalingConfiguration.PolicyChoice.step([.init(from: 1, workers: 1)]), .backlogPerWorker(5), .always(0), .targetWait(.seconds(10))] {
            let decision = policy.decide(observation(running: 3, workers: busy(3)) { $0.policy = choice })
            #expect(decision.drain.isEmpty, "\(choice)")
            #expect(decision.desired == 3, "\(choice)")
        }
    }

    @Test(arguments: [ScalingConfiguration.PolicyChoice.backlogPerWorker(5), .targetWait(.seconds(10)), .step([.init(from: 1, workers: 2)])])
    func `a clock that is set back holds nothing up`(choice: ScalingConfiguration.PolicyChoice) {
        var memory = PolicyMemory()
        func decide(_ seconds: Double, _ serving: Int) -> Int {
            policy.decide(observation(at: seconds, ready: serving == 0 ? 1 : 0, workers: busy(serving)) { $0.policy = choice }, &memory).desired
        }
        #expect(decide(7200, 1) == 1)
        #expect(decide(0, 0) > 0)
        #expect(decide(1, 0) > 0)
    }

    @Test func `the minimum holds at once, however long more must have been wanted`() {
        let seen = observation(ready: 0) {
            ($0.min, $0.policy) = (2, .backlogPerWorker(5))
            $0.up.stabilization = .seconds(180)
        }
        #expect(policy.decide(seen).desired == 2)
    }

    @Test func `one step at a time, a minute apart`() {
        var memory = PolicyMemory()
        func decide(_ seconds: Double, _ serving: Int) -> Int {
            let seen = observation(at: seconds, ready: 100, workers: busy(serving)) {
                $0.policy = .backlogPerWorker(5)
                $0.up.workersMax = 2
            }
            return policy.decide(seen, &memory).desired
        }
        #expect(decide(0, 1) == 3)
        #expect(decide(30, 3) == 3)
        #expect(decide(60, 3) == 5)
    }

    @Test func `limits hold whatever is wanted`() {
        #expect(policy.decide(observation(ready: 1000, max: 4) { $0.policy = .backlogPerWorker(1) }).desired == 4)
        #expect(policy.decide(observation(min: 2)).desired == 2)
        #expect(policy.decide(observation(max: 4) { $0.policy = .always(9) }).desired == 4)
    }

    @Test func `a schedule raises the minimum at its hours, in its time zone, past midnight too`() {
        // The epoch is Thursday, 1 January 2026, 00:00 UTC, which is 01:00 in Berlin.
        let night = ScalingConfiguration.ScheduledMinimum(from: 22 * 60, until: 90, days: [.wed], timeZone: "Europe/Berlin", min: 3)
        func workers(at seconds: Double) -> Int { policy.decide(observation(at: seconds) { $0.schedule = [night] }).desired }
        #expect(workers(at: 0) == 3)
        #expect(workers(at: 1790) == 3)
        #expect(workers(at: 1800) == 0)
        #expect(workers(at: 22 * 3600) == 0)
        #expect(workers(at: -3 * 3600) == 3)
    }

    @Test func `memory and history survive being written down`() throws {
        var demand = DemandHistory()
        demand.noteArrivals(7, at: epoch)
        demand.noteCompletions(3, busy: .seconds(9), at: epoch)
        demand.noteStart(took: .seconds(42))
        demand.noteBusy(.seconds(2), running: 1)
        var memory = PolicyMemory()
        _ = policy.decide(observation(at: 1, ready: 7, demand: demand), &memory)
        #expect(try MillraceJSON.decode(DemandHistory.self, from: MillraceJSON.encode(demand)) == demand)
        #expect(try MillraceJSON.decode(PolicyMemory.self, from: MillraceJSON.encode(memory)) == memory)
        #expect(demand.service?.jobsPerSecond == 1.0 / 3 && demand.startup == .seconds(42))
    }

    @Test func `a configuration of an older version is read`() throws {
        struct Older: Encodable {
            var min = 1
            var max = 3
            var targetWait = Duration.seconds(5)
            var idle = Duration.seconds(30)
            var drain = Duration.seconds(60)
        }
        let scaling = try MillraceJSON.decode(ScalingConfiguration.self, from: MillraceJSON.encode(Older()))
        #expect(scaling.min == 1 && scaling.max == 3 && scaling.policy == .targetWait(.seconds(5)) && scaling.idle == .seconds(30))
        var written = ScalingConfiguration()
        written.policy = .step([.init(from: 1, workers: 2)])
        written.schedule = [.init(from: 480, until: 1080, days: [.mon], min: 2)]
        #expect(try MillraceJSON.decode(ScalingConfiguration.self, from: MillraceJSON.encode(written)) == written)
    }
}
