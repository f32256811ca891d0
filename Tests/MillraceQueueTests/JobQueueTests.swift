import MetricsTestKit
import MillraceConformance
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@Suite("The job queue", .timeLimit(.minutes(1)))
struct JobQueueTests {
    let clock = ManualClock()
    let metrics = TestMetrics()
    let queue: JobQueue

    init() {
        queue = JobQueue(InMemoryStore(clock.surroundings), surroundings: clock.surroundings, metrics: metrics)
    }

    private func submit(_ job: Job? = nil) async throws -> Job {
        let job = job ?? .fixture(in: clock.surroundings)
        _ = try await queue.admit([NewJob(job: job)])
        return job
    }

    private func demand() async throws -> LeaseDemand {
        let worker = WorkerRecord.fixture(in: clock.surroundings)
        try await queue.register(worker)
        return LeaseDemand(worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 5, duration: .seconds(15))
    }

    private func settle(_ job: Job, _ outcome: AttemptReport.Outcome, coldStart: Duration? = nil) async throws -> [LeaseVerdict] {
        try await queue.settle([AttemptReport(job: job.id, token: job.lease!.token, outcome: outcome, coldStart: coldStart)])
    }

    @Test("keeps the promises of the store behind it", arguments: StoreConformance.cases)
    func conforms(_ promise: StoreCase) async throws {
        try await promise.run { JobQueue(InMemoryStore($0), surroundings: $0, metrics: TestMetrics()) }
    }

    // MARK: Metrics

    @Test("measures a job on its way")
    func metricsOfSuccess() async throws {
        _ = try await submit()
        clock.advance(by: .seconds(2))
        let job = try await queue.lease(try await demand())[0]
        clock.advance(by: .seconds(3))
        _ = try await settle(job, .succeeded(outputs: []), coldStart: .seconds(1))
        #expect(try metrics.expectCounter("millrace_jobs_submitted_total", [("endpoint", "ocr")]).totalValue == 1)
        #expect(try metrics.expectTimer("millrace_job_wait_seconds", [("endpoint", "ocr")]).lastValue == 2_000_000_000)
        let ended = [("endpoint", "ocr"), ("state", "succeeded")]
        #expect(try metrics.expectTimer("millrace_job_run_seconds", ended).lastValue == 3_000_000_000)
        #expect(try metrics.expectCounter("millrace_jobs_finished_total", ended).totalValue == 1)
        #expect(try metrics.expectTimer("millrace_cold_start_seconds", [("endpoint", "ocr")]).lastValue == 1_000_000_000)
    }

    @Test("tells a failure that is tried again from one that is final")
    func metricsOfFailure() async throws {
        _ = try await submit(.fixture(retry: RetryPolicy(attemptsMax: 2, backoffBase: .zero), in: clock.surroundings))
        let demand = try await demand()
        for _ in 0..<2 {
            _ = try await settle(try await queue.lease(demand)[0], .failed(JobFailure(.handlerError, "", retryable: true)))
        }
        #expect(try metrics.expectCounter("millrace_jobs_requeued_total", [("endpoint", "ocr"), ("reason", "failed")]).totalValue == 1)
        #expect(try metrics.expectCounter("millrace_jobs_finished_total", [("endpoint", "ocr"), ("state", "failed")]).totalValue == 1)
        #expect(try metrics.expectTimer("millrace_job_run_seconds", [("endpoint", "ocr"), ("state", "failed")]).values.count == 2)
    }

    @Test("counts lost leases, rescued jobs and errors of the store")
    func metricsOfTrouble() async throws {
        _ = try await submit()
        let job = try await queue.lease(try await demand())[0]
        clock.advance(by: .seconds(15))
        _ = try await queue.rescue(limit: 10)
        #expect(try await settle(job, .succeeded(outputs: [])) == [.lost])
        await #expect(throws: MillraceError.self) { try await queue.touch(clock.surroundings.makeID(), readyAt: nil) }
        #expect(try metrics.expectCounter("millrace_leases_lost_total", []).totalValue == 1)
        #expect(try metrics.expectCounter("millrace_jobs_rescued_total", [("endpoint", "ocr"), ("state", "queued")]).totalValue == 1)
        #expect(try metrics.expectCounter("millrace_store_errors_total", [("operation", "touch"), ("code", "worker_unknown")]).totalValue == 1)
    }

    @Test("sets the gauges of a variant without jobs back to zero")
    func gauges() async throws {
        let job = try await submit()
        let labels = [("endpoint", "ocr"), ("variant", "a"), ("state", "ready")]
        _ = try await queue.backlog()
        #expect(try metrics.expectGauge("millrace_jobs", labels).lastValue == 1)
        _ = try await queue.cancel(job.id)
        _ = try await queue.backlog()
        #expect(try metrics.expectGauge("millrace_jobs", labels).lastValue == 0)
    }

    @Test("names its metrics in base units, each once, with no id as a label")
    func registry() {
        for metric in QueueMetric.allCases {
            #expect(metric.rawValue.hasPrefix("millrace_"))
            #expect(metric.rawValue.hasSuffix("_total") == (metric.kind == .counter))
            #expect(metric.rawValue.hasSuffix("_seconds") == (metric.kind == .histogram))
            #expect(!metric.help.isEmpty)
            #expect(Set(metric.labels).isDisjoint(with: ["job", "id", "worker", "tenant"]))
        }
    }

    // MARK: Waiting

    @Test("waits for a job until it is final")
    func waitFinal() async throws {
        let job = try await submit()
        async let waited = queue.wait(for: job.id, untilFinalOr: .seconds(30))
        try await clock.waitForSleepers()
        clock.advance(by: .milliseconds(500))
        _ = try await queue.cancel(job.id)
        #expect(try await waited?.state == .cancelled)
    }

    @Test("gives up waiting at the limit and shows the job as it is")
    func waitLimit() async throws {
        let job = try await submit()
        async let waited = queue.wait(for: job.id, untilFinalOr: .seconds(2))
        for _ in 0..<2 {
            try await clock.waitForSleepers()
            clock.advance(by: .seconds(1))
        }
        #expect(try await waited?.state == .queued)
        #expect(try await queue.wait(for: job.id, untilFinalOr: .zero)?.state == .queued)
    }

    @Test("does not wait for a job that is not there")
    func waitMissing() async throws {
        #expect(try await queue.wait(for: clock.surroundings.makeID(), untilFinalOr: .seconds(30)) == nil)
    }

    @Test("finds work that came without a hint after a second")
    func lostHint() async throws {
        let demand = try await demand()
        let later = try await submit(.fixture(runAt: clock.now + .milliseconds(700), in: clock.surroundings))
        async let leased = queue.leaseWaiting(demand, atMost: .seconds(20))
        try await clock.waitForSleepers()
        clock.advance(by: .seconds(1))
        #expect(try await leased.map(\.id) == [later.id])
    }

    @Test("leases work at once when it comes")
    func leaseWaiting() async throws {
        let demand = try await demand()
        async let leased = queue.leaseWaiting(demand, atMost: .seconds(20))
        try await clock.waitForSleepers()
        clock.advance(by: .milliseconds(100))
        let job = try await submit()
        #expect(try await leased.map(\.id) == [job.id])
    }

    @Test("ends a wait for work empty at the limit, and with an error when it is cancelled")
    func leaseNothing() async throws {
        let demand = try await demand()
        #expect(try await queue.leaseWaiting(demand, atMost: .zero) == [])
        let waiting = Task { try await queue.leaseWaiting(demand, atMost: .seconds(20)) }
        try await clock.waitForSleepers()
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
    }

    @Test("gives jobs back that were leased for a worker that went away meanwhile")
    func leaseForNobody() async throws {
        let job = try await submit()
        let demand = try await demand()
        let gone = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await queue.leaseWaiting(demand, atMost: .seconds(20))
        }
        await #expect(throws: CancellationError.self) { try await gone.value }
        let back = try #require(try await queue.job(job.id))
        #expect(back.state == .queued)
        #expect([back.attempt, back.crashes] == [0, 0])
    }

    // MARK: Following events

    @Test("follows a job's events to its end")
    func follow() async throws {
        let job = try await submit()
        let demand = try await demand()
        let states = Signal(of: JobState.self)
        let follower = Task {
            for try await event in queue.events(of: job.id) {
                if case .state(let change) = event.detail { states.send(change.state) }
            }
        }
        #expect(try await states.next() == .queued)
        try await clock.waitForSleepers()
        clock.advance(by: .milliseconds(50))
        let leased = try await queue.lease(demand)[0]
        #expect(try await states.next() == .running)
        try await clock.waitForSleepers()
        clock.advance(by: .milliseconds(50))
        _ = try await settle(leased, .succeeded(outputs: []))
        #expect(try await states.next() == .succeeded)
        try await follower.value
    }

    @Test("gives all events of a finished job, page after page, and those after a sequence")
    func followFinished() async throws {
        _ = try await submit()
        let job = try await queue.lease(try await demand())[0]
        let lines = (0..<350).map { LogLine(level: .info, message: "\($0)") }
        _ = try await queue.renew([LeaseRenewal(job: job.id, token: job.lease!.token, duration: .seconds(15), logs: lines)])
        _ = try await settle(job, .succeeded(outputs: []))
        let all = try await queue.events(of: job.id).reduce(into: []) { $0.append($1) }
        #expect(all.count == 353)
        #expect(all == (try await queue.events(of: job.id, after: 0, limit: 1000)))
        let rest = try await queue.events(of: job.id, after: all[300].sequence).reduce(into: []) { $0.append($1) }
        #expect(rest == Array(all[301...]))
    }

    @Test("says that there is no job to follow")
    func followMissing() async throws {
        var events = queue.events(of: clock.surroundings.makeID()).makeAsyncIterator()
        do {
            _ = try await events.next()
            Issue.record("no error was thrown")
        } catch let error as MillraceError {
            #expect(error.code == .jobUnknown)
        }
    }
}
