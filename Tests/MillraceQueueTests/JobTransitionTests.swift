import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceQueue

/// The rules are covered one by one by the conformance suite; here is what holds after any of them, in any order.
@Suite("A job's transitions")
struct JobTransitionTests {
    @Test("leave every job consistent, whatever happens in whatever order", arguments: 1...20 as ClosedRange<UInt64>)
    func invariants(seed: UInt64) {
        let clock = ManualClock(seed: seed)
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            var job = JobTransition.admit(
                .fixture(
                    callback: Bool.random(using: &random) ? "https://example.com" : nil,
                    retry: RetryPolicy(attemptsMax: Int.random(in: 1...3, using: &random), crashesMax: Int.random(in: 1...3, using: &random)),
                    expiresAt: Bool.random(using: &random) ? clock.now + .seconds(20) : nil, in: clock.surroundings)).job
            for _ in 0..<30 {
                clock.advance(by: .milliseconds(Int.random(in: 0..<9000, using: &random)))
                guard let transition = anything(job, clock.surroundings, &random) else { continue }
                check(transition, from: job)
                job = transition.job
            }
        }
    }

    private func anything(_ job: Job, _ surroundings: Surroundings, _ random: inout SplitMix64) -> JobTransition? {
        let token = job.lease?.token ?? surroundings.makeID()
        let demand = LeaseDemand(worker: surroundings.makeID(), endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15))
        let failure = JobFailure(.handlerError, "no", retryable: Bool.random(using: &random))
        let outcomes: [AttemptReport.Outcome] = [.succeeded(outputs: []), .failed(failure), .failed(failure), .cancelled, .released(reason: "drain")]
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<4: return JobTransition.lease(job, by: demand, in: surroundings)
        case 4: return JobTransition.renew(job, with: LeaseRenewal(job: job.id, token: token, duration: .seconds(15)), in: surroundings).0
        case 5, 6:
            let report = AttemptReport(job: job.id, token: token, outcome: outcomes.randomElement(using: &random)!)
            return JobTransition.settle(job, with: report, in: surroundings).0
        case 7: return JobTransition.expire(job, in: surroundings)
        case 8: return JobTransition.cancel(job, in: surroundings)
        default: return try? JobTransition.retry(job, in: surroundings)
        }
    }

    private func check(_ transition: JobTransition, from old: Job) {
        let job = transition.job
        #expect((job.lease != nil) == (job.state == .running))
        #expect((job.finishedAt != nil) == job.state.isFinal)
        #expect(job.attempt >= 0 && job.attempt <= job.retry.attemptsMax)
        #expect(job.crashes >= 0 && job.crashes <= job.retry.crashesMax)
        #expect(job.leases >= old.leases)
        #expect((transition.delivery != nil) == (job.state.isFinal && job.callback != nil))
        #expect(transition.delivery.map { $0.snapshot == job } ?? true)
        #expect(job.state != .failed || job.failure != nil)
        #expect(job.state != .succeeded || job.failure == nil)
        if old.state.isFinal { #expect(job.state == .queued, "only a retry by hand leads out of a final state") }
        if job.state != old.state { #expect(transition.events.contains { if case .state = $0 { true } else { false } }) }
    }

    @Test("keep the events of one write within the log's limit")
    func logLimit() {
        let job = Job.fixture(in: ManualClock().surroundings)
        let line = JobEvent.Detail.log(LogLine(level: .info, message: "x"))
        let transition = JobTransition(job, [line, line, .progress(JobProgress(done: 1)), .progress(JobProgress(done: 2)), line])
        #expect(transition.eventsKept(logsBefore: 0) == ([line, line, .progress(JobProgress(done: 2)), line], 3))
        let atLimit = transition.eventsKept(logsBefore: JobEvent.logLinesMax - 1)
        #expect(atLimit.events == [line, .log(.limitReached), .progress(JobProgress(done: 2))])
        let past = transition.eventsKept(logsBefore: atLimit.logs)
        #expect(past.events == [.progress(JobProgress(done: 2))])
        #expect(past.logs == atLimit.logs)
    }

    @Test("say which blobs come into use and which go out of it")
    func blobs() {
        let surroundings = ManualClock().surroundings
        let (first, second) = (JobFile.fixture(surroundings.makeID()), JobFile.fixture(surroundings.makeID()))
        var old = Job.fixture(files: [first], in: surroundings)
        old.checkpoint = JobCheckpoint(file: second, position: 1)
        var new = old
        new.checkpoint = nil
        new.outputs = [second]
        #expect(JobTransition(new).blobsChanged(from: old) == ([], []))
        new.outputs = []
        #expect(JobTransition(new).blobsChanged(from: old) == ([], [second.blob]))
        #expect(JobTransition(old).blobsChanged(from: nil) == ([first, second], []))
    }
}
