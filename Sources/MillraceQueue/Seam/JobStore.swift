import MillraceCore

/// The durable truth about jobs.
///
/// Every method is one atomic step: it has happened, durably, when it returns, and not at all when it throws. Time is the
/// store's own. A write about a running job carries its ``LeaseToken``; when the token is not the job's current one, or
/// the job no longer runs, nothing changes and the answer says ``LeaseVerdict/lost``.
///
/// A job's inline `input` may be long and is a worker's business: ``lease(_:)`` gives it, everything else leaves it out.
///
/// A store decides nothing: what a state becomes is computed by ``JobTransition``, so that every store agrees.
/// Implementations pass `JobStoreConformance`.
public protocol JobStore: Sendable {
    // Admission

    /// Takes in jobs, each with a verdict of its own, in one commit. The blobs of `files` become stored and used by the job.
    func admit(_ jobs: [NewJob]) async throws -> [Admission]

    // Reading

    func job(_ id: JobID) async throws -> Job?
    /// Newest first.
    func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job]
    /// Ordered by sequence, those after `sequence`. Of progress only the newest event of a job is kept, of log lines the first
    /// ``JobEvent/logLinesMax``; then one last line says that the limit was reached.
    func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent]
    /// What waits and runs, for each endpoint variant that has any.
    func backlog() async throws -> [VariantBacklog]

    // Leasing

    /// Takes up to `jobsMax` jobs that are due, the highest priority first, then the oldest. Empty when the worker is draining, and
    /// when it has been silent for as long as the lease would last: who sends no heartbeats would lose it again.
    /// - Throws: `worker_unknown` when the worker is not registered.
    func lease(_ demand: LeaseDemand) async throws -> [Job]
    /// Renews leases and stores what the heartbeat brings; the verdicts are in the order of the renewals.
    func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict]
    /// Ends attempts; the verdicts are in the order of the reports. The webhook of a final state is written with it.
    func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict]
    /// Takes back what expired: leases whose worker is gone, queued jobs past their time to live.
    func rescue(limit: Int) async throws -> [Job]
    /// Ends at once all leases of a worker that is known to be dead, each as a crash.
    func abandon(worker: WorkerID, reason: String, stderrTail: String?) async throws -> [Job]

    // Control

    /// Cancels a queued job, or asks the worker of a running one to stop. A finished job stays as it is.
    /// - Returns: the job as it is now, `nil` when there is none.
    func cancel(_ id: JobID) async throws -> Job?
    /// Queues a job that failed, was cancelled or expired again, keeping its history.
    /// - Throws: `state_conflict` when the job is not in such a state.
    func retry(_ id: JobID) async throws -> Job?
    /// Removes finished jobs of an endpoint (and their events and deliveries) that ended before a time.
    /// Their blobs become unused and are collected by ``BlobCatalog``.
    func prune(endpoint: String, finishedBefore: Timestamp, limit: Int) async throws -> Int

    /// Hints that something changed, for waiting without polling. A hint may be lost or come twice.
    var changes: StoreChanges { get }
}

/// A job to be taken in, with what decides whether it is new.
public struct NewJob: Sendable {
    public var job: Job
    /// The client's `Idempotency-Key`, unique within a tenant, with the fingerprint of the request it came with.
    public var idempotency: Idempotency?

    public struct Idempotency: Sendable, Equatable {
        public var key: String
        public var fingerprint: String
        public init(key: String, fingerprint: String) {
            self.key = key
            self.fingerprint = fingerprint
        }
    }

    public init(job: Job, idempotency: Idempotency? = nil) {
        self.job = job
        self.idempotency = idempotency
    }
}

public enum Admission: Sendable, Equatable {
    case admitted(Job)
    /// The same key and fingerprint came before; this is that job as it is now.
    case existing(Job)
    /// The same key came before with another request.
    case conflict(JobID)
}

public struct JobFilter: Sendable, Equatable {
    public var tenant: String?
    public var endpoint: String?
    public var states: Set<JobState>?

    public init(tenant: String? = nil, endpoint: String? = nil, states: Set<JobState>? = nil) {
        self.tenant = tenant
        self.endpoint = endpoint
        self.states = states
    }
}

public struct VariantBacklog: Sendable, Equatable, Codable {
    public var endpoint: String
    public var variant: String
    /// Queued and due.
    public var ready: Int
    /// Queued with `runAt` in the future.
    public var scheduled: Int
    public var running: Int
    /// When the oldest ready job became due.
    public var oldestReadyAt: Timestamp?
    /// When the next scheduled job becomes due.
    public var nextRunAt: Timestamp?

    public init(
        endpoint: String, variant: String, ready: Int = 0, scheduled: Int = 0, running: Int = 0,
        oldestReadyAt: Timestamp? = nil, nextRunAt: Timestamp? = nil
    ) {
        self.endpoint = endpoint
        self.variant = variant
        self.ready = ready
        self.scheduled = scheduled
        self.running = running
        self.oldestReadyAt = oldestReadyAt
        self.nextRunAt = nextRunAt
    }
}

public struct LeaseDemand: Sendable {
    public var worker: WorkerID
    public var endpoint: String
    public var variant: String
    public var jobsMax: Int
    public var duration: Duration
    /// The tokens of the leases that the worker knows of. A running job that is leased to this worker by another token was
    /// granted in an answer that never arrived; `lease` first gives it back, uncounted. `nil`: the worker does not say.
    public var held: Set<LeaseToken>?

    public init(
        worker: WorkerID, endpoint: String, variant: String, jobsMax: Int, duration: Duration, held: Set<LeaseToken>? = nil
    ) {
        self.held = held
        self.worker = worker
        self.endpoint = endpoint
        self.variant = variant
        self.jobsMax = jobsMax
        self.duration = duration
    }
}

public struct LeaseRenewal: Sendable {
    public var job: JobID
    public var token: LeaseToken
    public var duration: Duration
    public var progress: JobProgress?
    public var logs: [LogLine]
    /// A checkpoint whose bytes are already in the blob store.
    public var checkpoint: JobCheckpoint?

    public init(
        job: JobID, token: LeaseToken, duration: Duration, progress: JobProgress? = nil, logs: [LogLine] = [],
        checkpoint: JobCheckpoint? = nil
    ) {
        self.job = job
        self.token = token
        self.duration = duration
        self.progress = progress
        self.logs = logs
        self.checkpoint = checkpoint
    }
}

/// How an attempt ended.
public struct AttemptReport: Sendable {
    public enum Outcome: Sendable, Equatable {
        case succeeded(outputs: [JobFile])
        case failed(JobFailure)
        /// Stopped because the job was to be cancelled.
        case cancelled
        /// Given back unfinished; costs no attempt.
        case released(reason: String)
    }
    public var job: JobID
    public var token: LeaseToken
    public var outcome: Outcome
    /// Log lines that no heartbeat has carried yet.
    public var logs: [LogLine]
    public var progress: JobProgress?
    /// How long the worker took from its start to being ready, when this was the first job it took.
    public var coldStart: Duration?

    public init(
        job: JobID, token: LeaseToken, outcome: Outcome, logs: [LogLine] = [], progress: JobProgress? = nil,
        coldStart: Duration? = nil
    ) {
        self.job = job
        self.token = token
        self.outcome = outcome
        self.logs = logs
        self.progress = progress
        self.coldStart = coldStart
    }
}

/// What a store says to a write that carries a lease token.
public enum LeaseVerdict: String, Sendable, Codable, Equatable {
    case held
    /// Held, but the job is to be cancelled.
    case cancel
    /// Held, but the attempt has used up its run limit.
    case timeout
    /// Not the current lease: nothing was written, and the worker must drop the attempt.
    case lost
}
