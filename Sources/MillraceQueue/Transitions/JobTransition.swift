import MillraceCore

/// What a job becomes: the pure rules that every store applies inside its transaction.
///
/// Each rule takes a job as the store has it and gives the change to write, or `nil`/``LeaseVerdict/lost`` when the rule
/// does not apply. The store writes the job, appends the events and inserts the delivery in one transaction, guarded by the state and token
/// that the rule saw.
public struct JobTransition: Sendable, Equatable {
    public var job: Job
    public var events: [JobEvent.Detail]
    /// The webhook to write to the outbox, for a final state with a callback.
    public var delivery: Delivery?

    init(_ job: Job, _ events: [JobEvent.Detail] = []) {
        self.job = job
        self.events = events
    }

    /// The topics whose waiters should look again.
    public var topics: [StoreChanges.Topic] {
        var topics: [StoreChanges.Topic] = [.job(job.id), .backlog]
        if job.state == .queued { topics.append(.work(endpoint: job.endpoint, variant: job.variant)) }
        if delivery != nil { topics.append(.delivery) }
        return topics
    }
}

extension JobTransition {
    /// A new job enters the queue.
    public static func admit(_ job: Job) -> JobTransition {
        var job = job
        job.state = .queued
        job.priority = min(max(job.priority, 0), 9)
        return JobTransition(job, [.state(job.change("submitted"))])
    }

    /// A worker takes a due job.
    public static func lease(_ job: Job, by demand: LeaseDemand, in surroundings: Surroundings) -> JobTransition? {
        let now = surroundings.now()
        guard job.isDue(at: now) else { return nil }
        var job = job
        job.state = .running
        job.attempt += 1
        job.leases += 1
        job.startedAt = now
        job.finishedAt = nil
        job.progress = nil
        job.lease = Lease(token: surroundings.makeID(), worker: demand.worker, expiresAt: now + demand.duration)
        return JobTransition(job, [.state(job.change("leased"))])
    }

    /// The worker says goodbye and still holds this.
    public static func giveBack(_ job: Job, in surroundings: Surroundings) -> JobTransition? {
        guard let lease = job.lease else { return nil }
        let report = AttemptReport(job: job.id, token: lease.token, outcome: .released(reason: "its worker said goodbye"))
        return settle(job, with: report, in: surroundings).0
    }

    /// The worker asks for work and does not know of this lease: it was granted in an answer that never arrived. The job goes back,
    /// uncounted. `nil` when the worker knows of it, or does not say what it knows.
    public static func giveBack(_ job: Job, unknownTo demand: LeaseDemand, in surroundings: Surroundings) -> JobTransition? {
        guard let held = demand.held, let lease = job.lease, lease.worker == demand.worker, !held.contains(lease.token) else { return nil }
        let report = AttemptReport(job: job.id, token: lease.token, outcome: .released(reason: "the lease never reached its worker"))
        return settle(job, with: report, in: surroundings).0
    }

    /// A heartbeat. A lease that has passed its time but that nobody took is renewed: its worker lives.
    public static func renew(_ job: Job, with renewal: LeaseRenewal, in surroundings: Surroundings) -> (JobTransition?, LeaseVerdict) {
        guard job.isHeld(by: renewal.token) else { return (nil, .lost) }
        let now = surroundings.now()
        var job = job
        var events = renewal.logs.map { JobEvent.Detail.log($0) }
        // Past the end of its lease nobody knows that it ran: the server was away, the worker stood still, or the clock was
        // set forwards. None of it counts against the run limit.
        if let lease = job.lease, lease.expiresAt < now { job.startedAt = job.startedAt.map { $0 + now.since(lease.expiresAt) } }
        job.lease?.expiresAt = now + renewal.duration
        if let checkpoint = renewal.checkpoint { job.checkpoint = checkpoint }
        if let progress = renewal.progress, progress != job.progress {
            job.progress = progress
            events.append(.progress(progress))
        }
        return (JobTransition(job, events), job.verdict(at: now))
    }

    /// An attempt ends.
    public static func settle(_ job: Job, with report: AttemptReport, in surroundings: Surroundings) -> (JobTransition?, LeaseVerdict) {
        guard job.isHeld(by: report.token) else { return (nil, .lost) }
        var job = job
        var events = report.logs.map { JobEvent.Detail.log($0) }
        if let progress = report.progress, progress != job.progress {
            job.progress = progress
            events.append(.progress(progress))
        }
        if let coldStart = report.coldStart { job.coldStart = coldStart }
        var transition = ended(job, report.outcome, in: surroundings)
        transition.events = events + transition.events
        return (transition, .held)
    }

    /// A queued job is cancelled, a running one is asked to stop. `nil`: nothing to do.
    public static func cancel(_ job: Job, in surroundings: Surroundings) -> JobTransition? {
        switch job.state {
        case .queued:
            return final(job, .cancelled, "cancelled", in: surroundings)
        case .running where job.cancelRequestedAt == nil:
            var job = job
            job.cancelRequestedAt = surroundings.now()
            return JobTransition(job, [.state(job.change("cancel requested"))])
        default:
            return nil
        }
    }

    /// A person sends an ended job round again. Attempts and crashes count anew; history and checkpoint stay.
    public static func retry(_ job: Job, in surroundings: Surroundings) throws -> JobTransition {
        guard job.state.isFinal, job.state != .succeeded else {
            throw MillraceError(
                .stateConflict, "job \(job.id) is \(job.state.rawValue); only failed, cancelled and expired jobs can be retried")
        }
        let now = surroundings.now()
        var job = job
        // A time to live begins anew, or an expired job would expire again at once.
        if let expiresAt = job.expiresAt { job.expiresAt = now + expiresAt.since(job.runAt) }
        // Whoever sends it round again wants a result more than a punctual end.
        job.deadline = nil
        job.state = .queued
        job.attempt = 0
        job.crashes = 0
        job.runAt = now
        job.finishedAt = nil
        job.cancelRequestedAt = nil
        job.failure = nil
        job.startedAt = nil
        return JobTransition(job, [.state(job.change("retried by hand"))])
    }

    /// The lease has run out without a heartbeat, or the worker is known to be dead.
    public static func crash(_ job: Job, reason: String, stderrTail: String?, in surroundings: Surroundings) -> JobTransition {
        var job = job
        job.crashes += 1
        job.attempt = max(0, job.attempt - 1)
        guard job.cancelRequestedAt == nil else { return final(job, .cancelled, "cancelled; \(reason)", in: surroundings) }
        job.failure = JobFailure(
            code: ErrorCode.workerLost.rawValue, message: "the worker died while it ran this job: \(reason)",
            hint: "look at the worker's log; an input that needs more memory than there is kills its worker each time",
            retryable: true, stderrTail: stderrTail)
        guard job.crashes < job.retry.crashesMax else { return final(job, .failed, "worker_lost", in: surroundings) }
        // The first death is most often the machine's fault: no wait. Later ones back off.
        let wait = job.crashes > 1 ? job.retry.backoff(afterFailures: job.crashes - 1, fraction: surroundings.fraction()) : .zero
        guard job.hasTime(after: wait, at: surroundings.now()) else { return final(job, .failed, "worker_lost", in: surroundings) }
        return requeued(job, after: wait, "worker_lost: \(reason)", in: surroundings)
    }

    /// A worker is known to be dead. Of the jobs that it held, those that were at risk crashed; the others go back uncounted.
    ///
    /// When none of them was at risk, nobody knows whose fault it was and each counts: else a job could take worker after worker
    /// with it and never end.
    /// - Returns: one transition for each job, in their order.
    public static func workerDied(
        holding jobs: [Job], atRisk: Set<JobID>, reason: String, stderrTail: String?, in surroundings: Surroundings
    ) -> [JobTransition] {
        let isKnown = jobs.contains { atRisk.contains($0.id) }
        return jobs.map { job in
            if !isKnown || atRisk.contains(job.id) { return crash(job, reason: reason, stderrTail: stderrTail, in: surroundings) }
            return ended(job, .released(reason: "its worker died in another job: \(reason)"), in: surroundings)
        }
    }

    /// What the clock alone changes: an expired lease is a crash, a queued job past its time to live expires.
    public static func expire(_ job: Job, in surroundings: Surroundings) -> JobTransition? {
        let now = surroundings.now()
        switch job.state {
        case .running:
            guard let lease = job.lease, lease.expiresAt <= now else { return nil }
            return crash(job, reason: "its heartbeats stopped", stderrTail: nil, in: surroundings)
        case .queued where job.hasExpired(at: now):
            guard let deadline = job.deadline, deadline <= now else { return final(job, .expired, "time to live passed", in: surroundings) }
            var job = job
            job.failure = job.failure ?? JobFailure(.deadlineExceeded, "the job's deadline passed while it waited")
            return final(job, .expired, "deadline passed", in: surroundings)
        default:
            return nil
        }
    }
}

extension JobTransition {
    private static func ended(_ job: Job, _ outcome: AttemptReport.Outcome, in surroundings: Surroundings) -> JobTransition {
        var job = job
        switch outcome {
        case .succeeded(let outputs, let inline):
            job.outputs = outputs
            job.inlineOutputs = inline
            job.failure = nil
            job.checkpoint = nil
            return final(job, .succeeded, "succeeded", in: surroundings)
        case .cancelled:
            return final(job, .cancelled, "cancelled", in: surroundings)
        case .released(let reason):
            job.attempt = max(0, job.attempt - 1)
            guard job.cancelRequestedAt == nil else { return final(job, .cancelled, "cancelled", in: surroundings) }
            return requeued(job, after: .zero, "released: \(reason)", in: surroundings)
        case .failed(let failure):
            job.failure = failure
            guard job.cancelRequestedAt == nil else { return final(job, .cancelled, "cancelled", in: surroundings) }
            let now = surroundings.now()
            if failure.code == ErrorCode.runLimitExceeded.rawValue, let deadline = job.deadline, deadline <= now {
                job.failure = JobFailure(.deadlineExceeded, "the job's deadline passed while it ran")
                return final(job, .failed, ErrorCode.deadlineExceeded.rawValue, in: surroundings)
            }
            guard failure.retryable, job.attempt < job.retry.attemptsMax else {
                return final(job, .failed, failure.code, in: surroundings)
            }
            let backoff = job.retry.backoff(afterFailures: job.attempt, fraction: surroundings.fraction())
            let wait = failure.retryAfter.map { min(max($0, .zero), RetryPolicy.retryAfterMax) } ?? backoff
            // An attempt that could only begin after the deadline is none.
            guard job.hasTime(after: wait, at: now) else { return final(job, .failed, failure.code, in: surroundings) }
            return requeued(job, after: wait, "retry after \(failure.code)", in: surroundings)
        }
    }

    private static func requeued(_ job: Job, after wait: Duration, _ reason: String, in surroundings: Surroundings) -> JobTransition {
        var job = job
        let worker = job.lease?.worker
        job.state = .queued
        job.lease = nil
        // Without a wait it keeps its place: whoever was given back does not stand in line again.
        let now = surroundings.now()
        job.runAt = wait > .zero ? now + wait : min(job.runAt, now)
        return JobTransition(job, [.state(job.change(reason, by: worker))])
    }

    private static func final(_ job: Job, _ state: JobState, _ reason: String, in surroundings: Surroundings) -> JobTransition {
        var job = job
        let worker = job.lease?.worker
        job.state = state
        job.lease = nil
        job.finishedAt = surroundings.now()
        var transition = JobTransition(job, [.state(job.change(reason, by: worker))])
        if let url = job.callback {
            transition.delivery = Delivery(
                id: surroundings.makeID(), url: url, event: "job.\(state.rawValue)", snapshot: job.withoutInput,
                createdAt: surroundings.now(), dueAt: surroundings.now())
        }
        return transition
    }
}

extension Job {
    /// The job as everybody but its worker sees it.
    public var withoutInput: Job {
        var copy = self
        copy.input = nil
        return copy
    }

    func isHeld(by token: LeaseToken) -> Bool {
        #if MILLRACE_UNFENCED
            // The canary of the simulator: without the fence its auditor must raise the alarm.
            state == .running
        #else
            state == .running && lease?.token == token
        #endif
    }

    /// When a queued job expires. Once it has run, its time to live has been kept; its deadline stays.
    public var queuedUntil: Timestamp? {
        let timeToLive = leases == 0 ? expiresAt : nil
        guard let timeToLive, let deadline else { return timeToLive ?? deadline }
        return min(timeToLive, deadline)
    }

    /// Whether a worker may take it now.
    public func isDue(at now: Timestamp) -> Bool {
        state == .queued && runAt <= now && !hasExpired(at: now)
    }

    func hasExpired(at now: Timestamp) -> Bool {
        queuedUntil.map { $0 <= now } ?? false
    }

    fileprivate func hasTime(after wait: Duration, at now: Timestamp) -> Bool {
        deadline.map { now + wait < $0 } ?? true
    }

    fileprivate func verdict(at now: Timestamp) -> LeaseVerdict {
        if cancelRequestedAt != nil { return .cancel }
        if let startedAt, now.since(startedAt) > runLimit { return .timeout }
        if let deadline, deadline <= now { return .timeout }
        return .held
    }

    fileprivate func change(_ reason: String, by worker: WorkerID? = nil) -> StateChange {
        StateChange(
            state: state, attempt: attempt, worker: worker ?? lease?.worker, reason: reason,
            runAt: state == .queued && runAt > createdAt ? runAt : nil)
    }
}
