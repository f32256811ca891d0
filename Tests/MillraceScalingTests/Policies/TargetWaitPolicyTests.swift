import MillraceCore
import Testing

@testable import MillraceScaling

@Suite("The default policy") struct TargetWaitPolicyTests {
    private let policy = TargetWaitPolicy(target: .seconds(10))

    /// Jobs of two seconds, one in so many seconds for an hour, and starts of a minute.
    private func known(every interval: Int = 5) -> DemandHistory {
        var demand = DemandHistory()
        demand.noteStart(took: .seconds(60))
        for second in stride(from: 0, to: 3600, by: interval) {
            demand.noteArrivals(1, at: epoch + .seconds(second))
            demand.noteCompletions(1, busy: .seconds(2), at: epoch + .seconds(second + 2))
        }
        return demand
    }

    @Test func `at rest there is nobody`() {
        #expect(policy.decide(observation()).desired == 0)
    }

    @Test func `one job wakes one worker at once, though nothing is known yet`() {
        var demand = DemandHistory()
        demand.noteArrivals(1, at: epoch)
        let decision = policy.decide(observation(ready: 1, demand: demand))
        #expect(decision.desired == 1)
        #expect(decision.reason.hasPrefix("1 worker: 1 job waiting"))
    }

    @Test func `while a worker starts, a short queue starts no other`() {
        let workers = [worker(1, .starting(since: epoch + .seconds(3596)))]
        let seen = observation(at: 3601, ready: 2, waited: .seconds(5), workers: workers, demand: known(every: 60))
        #expect(policy.decide(seen).desired == 1)
    }

    @Test func `a queue that one worker cannot work off starts more, a longer one no fewer`() {
        var counts: [Int] = []
        for ready in [100, 500, 2000] {
            var demand = known()
            demand.noteArrivals(ready, at: epoch + .seconds(3600))
            counts.append(policy.decide(observation(at: 3600, ready: ready, running: 1, workers: busy(1), demand: demand)).desired)
        }
        #expect(counts[0] > 1 && counts == counts.sorted())
    }

    /// Jobs of forty seconds, one in ten minutes, and starts of five.
    private func long() -> DemandHistory {
        var demand = DemandHistory()
        demand.noteStart(took: .seconds(5))
        for second in stride(from: 0, to: 36_000, by: 600) {
            demand.noteArrivals(1, at: epoch + .seconds(second))
            demand.noteCompletions(1, busy: .seconds(40), at: epoch + .seconds(second + 40))
        }
        return demand
    }

    @Test(arguments: 1...6)
    func `a job that takes longer than the target has one worker, and of several at once few more are foreseen`(jobs: Int) {
        var demand = long()
        demand.noteArrivals(jobs, at: epoch + .seconds(36_000))
        let enough = jobs...(jobs == 1 ? 1 : jobs + (jobs + 2) / 3)
        let fleets = [[], [worker(1, .idle(since: epoch + .seconds(35_999)))], [worker(1, .starting(since: epoch + .seconds(35_999)))]]
        for workers in fleets {
            let wanted = policy.decide(observation(at: 36_000, ready: jobs, workers: workers, demand: demand)).desired
            #expect(enough.contains(wanted), "\(wanted) of which \(workers.count) are there")
        }
    }

    @Test func `a queue that busy workers work off in time starts no other`() {
        var demand = long()
        demand.noteArrivals(1, at: epoch + .seconds(36_000))
        // Of twenty that take forty seconds, one is free every two.
        #expect(policy.decide(observation(at: 36_000, ready: 1, running: 20, max: 40, workers: busy(20), demand: demand)).desired == 20)
        #expect(policy.decide(observation(at: 36_000, ready: 1, running: 1, max: 40, workers: busy(1), demand: demand)).desired == 2)
    }

    @Test func `an idle worker is kept while another start would cost more, and drained in the end`() {
        let demand = known()
        var memory = PolicyMemory()
        _ = policy.decide(observation(at: 3600, ready: 0, running: 1, workers: busy(1), demand: demand), &memory)
        let early = policy.decide(
            observation(at: 3605, workers: [worker(1, .idle(since: epoch + .seconds(3602)))], demand: demand), &memory)
        #expect(early.drain.isEmpty && early.desired == 1)
        #expect(early.lookAgainAt != nil)
        let late = policy.decide(
            observation(at: 360_000, workers: [worker(1, .idle(since: epoch + .seconds(3602)))], demand: demand), &memory)
        #expect(late.drain == [WorkerID(high: 0, low: 1)] && late.desired == 0)
    }

    @Test func `an idle time that is set is kept to`() {
        func decide(_ seconds: Double) -> ScalingDecision {
            policy.decide(observation(at: seconds, workers: [worker(1, .idle(since: epoch))]) { $0.idle = .seconds(30) })
        }
        #expect(decide(29).desired == 1 && decide(31).desired == 0)
    }

    @Test func `nothing is drained while a worker starts`() {
        let workers = [worker(1, .idle(since: epoch)), worker(2, .starting(since: epoch + .seconds(99_990)))]
        #expect(policy.decide(observation(at: 100_000, workers: workers, demand: known())).drain.isEmpty)
    }
}

@Suite("Gaps between needs") struct GapHistoryTests {
    @Test func `unknown gaps are waited for about as long as missing the next need costs`() {
        let patience = GapHistory().patience(cost: 240)
        #expect(patience > 100 && patience < 480)
    }

    @Test func `gaps that were always short are waited out, and not longer than they were by much`() {
        var gaps = GapHistory()
        for _ in 0..<200 { gaps.note(20) }
        #expect(gaps.patience(cost: 240) > 20)
    }

    @Test func `gaps that were always far longer than they cost are not waited for`() {
        var gaps = GapHistory()
        for _ in 0..<200 { gaps.note(20_000) }
        #expect(gaps.patience(cost: 240) < 40)
    }

    @Test func `a few long gaps are enough to see that waiting is in vain`() {
        var gaps = GapHistory()
        let waits = (0..<5).map { _ in
            defer { gaps.note(604_800) }
            return gaps.patience(cost: 23_040)
        }
        #expect(waits[0] > 10_000 && waits[1] < 7000 && waits[3] < 1000 && waits == waits.sorted(by: >=), "\(waits)")
    }

    @Test func `dearer misses are waited for longer`() {
        var gaps = GapHistory()
        for length in 1...300 { gaps.note(Double(length * 7 % 1000)) }
        let waits = [10.0, 100, 1000, 10_000].map(gaps.patience)
        #expect(waits == waits.sorted())
    }
}

@Suite("Misses among recent arrivals") struct RecentArrivalsTests {
    @Test func `who still waits at the end of the span is a miss, who came later is not yet`() {
        var recent = RecentArrivals(span: 32, at: 0)
        _ = recent.note(4, waiting: 4, at: 1)
        _ = recent.note(3, waiting: 7, at: 20)
        let (due, missed) = recent.note(0, waiting: 5, at: 40)
        #expect(due == 4 && missed == 2)
        let later = recent.note(0, waiting: 0, at: 80)
        #expect(later.due == 3 && later.missed == 0)
    }
}
