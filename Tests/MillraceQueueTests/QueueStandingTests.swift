import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@Suite("A queued job's standing")
struct QueueStandingTests {
    let clock = ManualClock()

    /// Attempts of equal length that ended one after the other, the latest first.
    private func times(_ count: Int, every gap: Duration, each run: Duration) -> [ServiceTime] {
        (0..<count).map { index in
            let end = clock.now - .milliseconds(gap.milliseconds * Int64(index))
            return ServiceTime(startedAt: end - run, finishedAt: end)
        }
    }

    @Test("is measured from at least two ends")
    func few() {
        #expect(ServiceRate([]) == nil)
        #expect(ServiceRate(times(1, every: .seconds(1), each: .seconds(1))) == nil)
        #expect(ServiceRate(times(2, every: .seconds(1), each: .seconds(1)))?.secondsPerJob == 1)
    }

    @Test("does not count idle times between jobs as work")
    func idle() {
        #expect(ServiceRate(times(11, every: .seconds(600), each: .seconds(2)))?.secondsPerJob == 2)
    }

    @Test("sees workers side by side as shorter times between ends")
    func parallel() {
        #expect(ServiceRate(times(101, every: .milliseconds(500), each: .seconds(10)))?.secondsPerJob == 0.5)
    }

    @Test("believes no endless speed, nor a clock that ran backwards")
    func bounds() {
        #expect(ServiceRate(times(50, every: .zero, each: .seconds(1)))?.secondsPerJob == 0.0001)
        let now = clock.now
        let backwards = [ServiceTime(startedAt: now, finishedAt: now - .seconds(5)), ServiceTime(startedAt: now, finishedAt: now)]
        #expect(ServiceRate(backwards)?.secondsPerJob == 0.0001)
    }

    private func lane(_ priority: Int, _ tenant: String, _ queued: Int, variant: String = "a") -> Lane {
        Lane(key: LaneKey(endpoint: "ocr", variant: variant, priority: priority, tenant: tenant), queued: queued, running: 3)
    }

    @Test("counts its own lane, all of higher priority, and a turn of each other tenant for each of its own")
    func ahead() {
        let job = Job.fixture(priority: 5, in: clock.surroundings)
        let lanes = [
            lane(5, "acme", 50), lane(9, "acme", 7), lane(6, "other", 4), lane(5, "bulk", 1_000_000), lane(5, "small", 2),
            lane(4, "other", 99), lane(9, "other", 1000, variant: "b"),
        ]
        let standing = QueueStanding(of: job, ownAhead: 3, lanes: lanes, rate: nil, at: clock.now)
        #expect(standing.ahead == 3 + 7 + 4 + 4 + 2)
        #expect(standing.estimatedStart == nil)
        #expect(QueueStanding(of: job, ownAhead: 0, lanes: [lane(5, "acme", 1)], rate: nil, at: clock.now).ahead == 0)
    }

    @Test("estimates the start from what was measured, and not before the job is due")
    func estimate() {
        let rate = ServiceRate(times(11, every: .seconds(2), each: .seconds(2)))
        let now = clock.now
        let due = QueueStanding(of: .fixture(in: clock.surroundings), ownAhead: 5, lanes: [], rate: rate, at: now)
        #expect(due.estimatedStart == now + .seconds(10))
        let later = Job.fixture(runAt: now + .seconds(60), in: clock.surroundings)
        #expect(QueueStanding(of: later, ownAhead: 0, lanes: [], rate: rate, at: now).estimatedStart == now + .seconds(60))
    }

    @Test("of a real queue is that of the order in which its jobs start")
    func real() async throws {
        let queue = JobQueue(InMemoryStore(clock.surroundings), surroundings: clock.surroundings)
        let job = Job.fixture(tenant: "single", in: clock.surroundings)
        let bulk = (0..<20).map { _ in Job.fixture(tenant: "bulk", in: clock.surroundings) }
        _ = try await queue.admit((bulk + [job]).map { NewJob(job: $0) })
        #expect(try await queue.standing(of: job.id)?.ahead == 1)
        #expect(try await queue.standing(of: bulk[9].id)?.ahead == 10)
        _ = try await queue.cancel(job.id)
        #expect(try await queue.standing(of: job.id) == nil)
        #expect(try await queue.standing(of: clock.surroundings.makeID()) == nil)
    }
}

@Suite("A job filter")
struct JobFilterTests {
    let clock = ManualClock()

    @Test("without a wish matches every job, and each wish must be met")
    func wishes() {
        var job = Job.fixture(tenant: "acme", endpoint: "ocr", in: clock.surroundings)
        job.state = .failed
        job.failure = JobFailure(code: "mine", message: "", retryable: false)
        let now = clock.now
        let matching = [
            JobFilter(), JobFilter(tenant: "acme"), JobFilter(endpoint: "ocr"), JobFilter(states: [.failed, .queued]), JobFilter(createdFrom: now),
            JobFilter(createdBefore: now + .milliseconds(1)), JobFilter(failureCode: "mine"),
            JobFilter(tenant: "acme", endpoint: "ocr", states: [.failed], createdFrom: now - .seconds(1), failureCode: "mine"),
        ]
        for filter in matching { #expect(filter.matches(job), "\(filter)") }
        let others = [
            JobFilter(tenant: "other"), JobFilter(endpoint: "tags"), JobFilter(states: []), JobFilter(states: [.queued]),
            JobFilter(createdFrom: now + .milliseconds(1)), JobFilter(createdBefore: now), JobFilter(failureCode: "other"),
            JobFilter(tenant: "acme", endpoint: "ocr", states: [.failed], failureCode: "other"),
        ]
        for filter in others { #expect(!filter.matches(job), "\(filter)") }
        job.failure = nil
        #expect(!JobFilter(failureCode: "mine").matches(job))
    }

    @Test("for a redrive means failed jobs, unless it names states, and never living or succeeded ones")
    func redriving() {
        #expect(JobFilter(tenant: "acme").redriving == JobFilter(tenant: "acme", states: [.failed]))
        #expect(JobFilter(states: [.cancelled, .queued, .succeeded]).redriving.states == [.cancelled])
        #expect(JobFilter(states: [.running]).redriving.states == [])
    }

    @Test("is answered by counts when it names only tenant, endpoint and states")
    func counted() {
        #expect(JobFilter(tenant: "acme", endpoint: "ocr", states: [.queued]).isCounted)
        for filter in [JobFilter(createdFrom: clock.now), JobFilter(createdBefore: clock.now), JobFilter(failureCode: "mine")] {
            #expect(!filter.isCounted)
        }
    }

    @Test("limited to states keeps those that it named itself")
    func limited() {
        #expect(JobFilter().limited(to: .living).states == [.queued, .running])
        #expect(JobFilter(states: [.running, .failed]).limited(to: .living).states == [.running])
    }
}
