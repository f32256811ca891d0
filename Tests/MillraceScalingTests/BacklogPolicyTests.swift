import MillraceCore
import MillraceScaling
import Testing

@Suite struct BacklogPolicyTests {
    private let now = Timestamp(milliseconds: 10_000_000)
    private let policy = BacklogPolicy()

    private func observation(
        ready: Int = 0, running: Int = 0, waited: Duration = .zero, min: Int = 0, max: Int = 4,
        workers: [VariantObservation.Worker] = []
    ) -> VariantObservation {
        var scaling = ScalingConfiguration()
        scaling.min = min
        scaling.max = max
        return VariantObservation(
            endpoint: "ocr", variant: "a", scaling: scaling, now: now, ready: ready, running: running,
            oldestReadyAt: ready > 0 ? now - waited : nil, workers: workers)
    }

    private func worker(_ number: UInt64, _ activity: VariantObservation.Worker.Activity) -> VariantObservation.Worker {
        .init(instance: "w\(number)", id: WorkerID(high: 0, low: number), activity: activity)
    }

    @Test func `at rest there is nobody`() {
        #expect(policy.decide(observation()).desired == 0)
    }

    @Test func `one waiting job wakes one worker`() {
        #expect(policy.decide(observation(ready: 1)).desired == 1)
    }

    @Test func `while a worker starts no other is added, however long the queue`() {
        let decision = policy.decide(observation(ready: 1000, waited: .seconds(60), workers: [worker(1, .starting)]))
        #expect(decision.desired == 1)
    }

    @Test func `a wait above the target adds one worker, up to the maximum`() {
        #expect(policy.decide(observation(ready: 9, waited: .seconds(11), workers: [worker(1, .busy)])).desired == 2)
        #expect(policy.decide(observation(ready: 9, waited: .seconds(11), max: 1, workers: [worker(1, .busy)])).desired == 1)
    }

    @Test func `a wait below the target is looked at again when it will be above`() {
        let decision = policy.decide(observation(ready: 9, waited: .seconds(4), workers: [worker(1, .busy)]))
        #expect(decision.desired == 1)
        #expect(decision.lookAgainAt == now + .seconds(6) + .milliseconds(1))
    }

    @Test func `a worker that was idle for long enough drains, a busy one never`() {
        let decision = policy.decide(
            observation(running: 1, workers: [worker(1, .idle(since: now - .seconds(31))), worker(2, .busy)]))
        #expect(decision.drain == [WorkerID(high: 0, low: 1)])
        #expect(decision.desired == 1)
    }

    @Test func `a worker that was idle for a short time is looked at again in time`() {
        let decision = policy.decide(observation(workers: [worker(1, .idle(since: now - .seconds(10)))]))
        #expect(decision.drain.isEmpty)
        #expect(decision.desired == 1)
        #expect(decision.lookAgainAt == now + .seconds(20))
    }

    @Test func `the minimum stays although it is idle`() {
        let idle = [worker(1, .idle(since: now - .seconds(100))), worker(2, .idle(since: now - .seconds(90)))]
        let decision = policy.decide(observation(min: 1, workers: idle))
        #expect(decision.drain == [WorkerID(high: 0, low: 1)])
        #expect(decision.desired == 1)
    }

    @Test func `draining workers do not count as serving`() {
        #expect(policy.decide(observation(ready: 1, workers: [worker(1, .draining(holdsWork: true))])).desired == 1)
    }

    @Test func `failing starts are spaced out more and more, and a good one ends that`() {
        var backoff = StartBackoff()
        #expect(backoff.waitsUntil(now) == nil)
        backoff.failed(at: now)
        #expect(backoff.waitsUntil(now) == now + .seconds(1))
        backoff.failed(at: now)
        #expect(backoff.waitsUntil(now) == now + .seconds(2))
        for _ in 0..<20 { backoff.failed(at: now) }
        #expect(backoff.waitsUntil(now) == now + .seconds(60))
        backoff.succeeded()
        #expect(backoff.waitsUntil(now) == nil)
    }
}
