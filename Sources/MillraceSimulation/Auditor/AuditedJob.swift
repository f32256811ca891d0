import MillraceCore
import MillraceQueue

/// What the auditor knows of a job: how the store had it last, and what it must be after the call that is looked at.
struct AuditedJob {
    /// As the store gave it at the last look.
    var job: Job
    var input: RawJSON?
    var idempotency: NewJob.Idempotency?
    /// Grows with each job that was taken in.
    var order: Int
    /// A client has had its `202`.
    var isAcknowledged = false
    /// True time of the last commit that gave or renewed its lease.
    var renewedAt: Int64 = 0
    /// True time at which its lease was given.
    var grantedAt: Int64 = 0
    /// Final states that it reached, and the deliveries that were written for them.
    var ends = 0
    var deliveries: [DeliveryID] = []
    /// At the last look: its state, the worker that ran it, the number of its newest event.
    var stateBefore: JobState?
    var runsAt: WorkerID?
    var lastSequence: Int64 = 0
    /// How many transitions the call under way must have made.
    var steps = 0
    /// What the call under way may have changed beside state and counters.
    var mayHaveNews = false
    /// When it may run at the earliest and at the latest, for one that was queued again after a wait that chance decides.
    var runAtRange: ClosedRange<Timestamp>?
    /// It may have failed in place of waiting, because of its deadline.
    var mayFailInstead = false
}

/// The rules of `docs/architecture/job-states.md` once more, written apart from `JobTransition`, for state and counters.
extension AuditedJob {
    mutating func lease(_ token: LeaseToken, by demand: LeaseDemand, at now: Timestamp, _ trueTime: Int64) {
        step(to: .running)
        job.attempt += 1
        job.leases += 1
        job.lease = Lease(token: token, worker: demand.worker, expiresAt: now + demand.duration)
        renewedAt = trueTime
        grantedAt = trueTime
    }

    /// - Parameter isThere: whether the bytes of a checkpoint may be used.
    mutating func renew(_ renewal: LeaseRenewal, at now: Timestamp, _ trueTime: Int64, isThere: (BlobID) -> Bool) {
        job.lease?.expiresAt = now + renewal.duration
        if let checkpoint = renewal.checkpoint, checkpoint.files.allSatisfy({ isThere($0.blob) }) { job.checkpoint = checkpoint }
        renewedAt = trueTime
        mayHaveNews = true
    }

    /// - Parameter isThere: whether the bytes of an output may be used.
    mutating func settle(_ outcome: AttemptReport.Outcome, at now: Timestamp, isThere: (BlobID) -> Bool) {
        job.lease = nil
        mayHaveNews = true
        switch outcome {
        case .succeeded(let outputs, let inline) where outputs.allSatisfy { isThere($0.blob) }:
            job.outputs = outputs
            job.inlineOutputs = inline
            job.checkpoint = nil
            step(to: .succeeded)
        case .succeeded: fail(retryable: true, after: nil, at: now)
        case .failed(let failure): fail(retryable: failure.retryable, after: failure.retryAfter, at: now)
        case .cancelled: step(to: .cancelled)
        case .released:
            job.attempt -= 1
            wasAskedToStop ? step(to: .cancelled) : queueAgain(at: now)
        }
    }

    /// A lease that never reached its worker, or whose worker says goodbye.
    mutating func giveBack(at now: Timestamp) {
        settle(.released(reason: ""), at: now, isThere: { _ in true })
    }

    mutating func crash(at now: Timestamp) {
        job.lease = nil
        job.crashes += 1
        job.attempt -= 1
        mayHaveNews = true
        if wasAskedToStop { return step(to: .cancelled) }
        guard job.crashes < job.retry.crashesMax else { return step(to: .failed) }
        // The first crash is tried again at once.
        job.crashes == 1 ? queueUnlessLate(0...0, at: now) : queueUnlessLate(backoff(job.crashes - 1), at: now)
    }

    mutating func expire() { step(to: .expired) }

    mutating func cancel() {
        switch job.state {
        case .queued: step(to: .cancelled)
        case .running where !wasAskedToStop:
            steps += 1
            mayHaveNews = true
        default: break
        }
    }

    mutating func retry(at now: Timestamp) {
        step(to: .queued)
        job.expiresAt = job.expiresAt.map { now + $0.since(job.runAt) }
        job.deadline = nil
        job.runAt = now
        job.attempt = 0
        job.crashes = 0
        mayHaveNews = true
    }

    private var wasAskedToStop: Bool { job.cancelRequestedAt != nil }

    private mutating func fail(retryable: Bool, after asked: Duration?, at now: Timestamp) {
        if wasAskedToStop { return step(to: .cancelled) }
        guard retryable, job.attempt < job.retry.attemptsMax else { return step(to: .failed) }
        queueUnlessLate(asked.map { $0.milliseconds...$0.milliseconds } ?? backoff(job.attempt), at: now)
    }

    /// Exponential, with full jitter.
    private func backoff(_ failures: Int) -> ClosedRange<Int64> {
        0...min(job.retry.backoffMax.milliseconds, job.retry.backoffBase.milliseconds << Int64(min(failures - 1, 30)))
    }

    /// Nothing is tried that could begin only after the deadline.
    private mutating func queueUnlessLate(_ wait: ClosedRange<Int64>, at now: Timestamp) {
        let left = job.deadline.map { $0.since(now).milliseconds }
        if let left, wait.lowerBound >= left { return step(to: .failed) }
        mayFailInstead = left.map { wait.upperBound >= $0 } ?? false
        // Without a wait it keeps its place.
        let first = wait.lowerBound == 0 ? min(job.runAt, now) : now + .milliseconds(wait.lowerBound)
        runAtRange = first...max(first, now + .milliseconds(wait.upperBound))
        if wait.upperBound == 0 { runAtRange = first...first }
        step(to: .queued)
    }

    private mutating func queueAgain(at now: Timestamp) {
        job.runAt = min(job.runAt, now)
        step(to: .queued)
    }

    /// Nothing but its times moves when the clock was set back.
    mutating func clockWasSetBack(by step: Duration, at now: Timestamp) {
        if job.state == .running {
            if let lease = job.lease { job.lease?.expiresAt = lease.expiresAt - step }
            job.startedAt = job.startedAt.map { $0 - step }
        }
        // One that was asked to run at a time, and never did, keeps it.
        let wasAskedFor = job.leases == 0 && job.runAt > job.createdAt
        if job.state == .queued, job.runAt > now, !wasAskedFor { job.runAt = job.runAt - step }
    }

    /// What a heartbeat is told, if nobody wants the job to be cancelled.
    func isOverTime(at now: Timestamp) -> Bool {
        if let deadline = job.deadline, deadline <= now { return true }
        guard let startedAt = job.startedAt, let lease = job.lease else { return false }
        // Past the end of a lease nobody knows that it ran.
        let silence = max(now.since(lease.expiresAt), .zero)
        return now.since(startedAt) - silence > job.runLimit
    }

    /// Whether it may be handed out.
    func isDue(at now: Timestamp) -> Bool { job.state == .queued && job.runAt <= now && !isPastItsTime(at: now) }

    /// A time to live is kept once it has run; a deadline is not.
    func isPastItsTime(at now: Timestamp) -> Bool {
        if let deadline = job.deadline, deadline <= now { return true }
        return job.leases == 0 && job.expiresAt.map { $0 <= now } ?? false
    }

    private mutating func step(to state: JobState) {
        job.state = state
        steps += 1
    }
}

extension JobState {
    /// The arrows of the drawing. A running job that is asked to stop, and one that is queued again, stay what they are named.
    func mayBecome(_ next: JobState) -> Bool {
        switch (self, next) {
        case (.queued, .running), (.queued, .cancelled), (.queued, .expired): true
        case (.running, .succeeded), (.running, .failed), (.running, .cancelled), (.running, .queued), (.running, .running): true
        case (.failed, .queued), (.cancelled, .queued), (.expired, .queued): true
        default: false
        }
    }
}

extension Job {
    /// Whether what the client asked for is unchanged; priorities are clamped to 0...9 on their way in.
    func isTheSameRequest(as other: Job) -> Bool {
        tenant == other.tenant && endpoint == other.endpoint && priority == min(max(other.priority, 0), 9)
            && parameters == other.parameters && files == other.files && callback == other.callback && retry == other.retry
            && runLimit == other.runLimit && createdAt == other.createdAt
    }
}
