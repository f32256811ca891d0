import MillraceCore

/// The durable truth about jobs.
///
/// Every method is one atomic step: it has happened, durably, when it returns, and not at all when it throws. Time is the
/// store's own. A write about a running job carries its ``LeaseToken``; when the token is not the job's current one, or
/// the job no longer runs, nothing changes and the answer says ``LeaseVerdict/lost``.
///
/// A job's inline `input` may be long and is a worker's business: ``lease(_:)`` gives it, everything else leaves it out.
/// Inline outputs are short and given with their job everywhere.
///
/// A store decides nothing: what a state becomes is computed by ``JobTransition``, so that every store agrees.
/// Implementations pass `JobStoreConformance`.
public protocol JobStore: Sendable {
    // Admission

    /// Takes in jobs, each with a verdict of its own, in one commit. The blobs of `files` become stored and used by the job.
    ///
    /// Quotas, and whether the endpoint takes jobs, are judged in the same step; a job that came before under its
    /// idempotency key is no new job to them.
    func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission]

    // Reading

    func job(_ id: JobID) async throws -> Job?
    /// The latest accepted first.
    func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job]
    /// How many jobs there are, without looking at each where the filter names only tenant, endpoint and states.
    func count(matching filter: JobFilter) async throws -> Int
    /// Ordered by sequence, those after `sequence`. Of progress only the newest event of an attempt is kept, of log lines the first
    /// ``JobEvent/logLinesMax``; then one last line says that the limit was reached.
    func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent]
    /// What waits and runs, for each endpoint variant that has any.
    func backlog() async throws -> [VariantBacklog]
    /// The lanes of an endpoint in which anything waits or runs.
    func lanes(of endpoint: String) async throws -> [Lane]
    /// How many jobs of a queued job's lane come before it; counted up to `limit`. `nil`: there is none, or it is not queued.
    func queuedAhead(of id: JobID, countingTo limit: Int) async throws -> Int?
    /// The last attempts of an endpoint's jobs that ended, the latest first.
    func serviceTimes(of endpoint: String, limit: Int) async throws -> [ServiceTime]

    // Leasing

    /// Takes up to `jobsMax` jobs that are due: the highest priority first, inside a priority by ``FairShare`` between tenants, of one
    /// tenant the oldest first; no more than the demand's limits let run. Empty when the endpoint is paused, when the worker is draining, and
    /// when it has been silent for as long as the lease would last: who sends no heartbeats would lose it again. Empty, too, when the request
    /// was overtaken by a later one of the same worker, see ``LeaseDemand/request``.
    /// - Throws: `worker_unknown` when the worker is not registered.
    func lease(_ demand: LeaseDemand) async throws -> [Job]
    /// Leases as ``lease(_:)``; when nothing is due, waits until something is, at most for `limit`.
    func lease(_ demand: LeaseDemand, waiting limit: Duration) async throws -> [Job]
    /// Renews leases and stores what the heartbeat brings; the verdicts are in the order of the renewals.
    func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict]
    /// Ends attempts; the verdicts are in the order of the reports. The webhook of a final state is written with it.
    func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict]
    /// Takes back what expired: leases whose worker is gone, queued jobs past their time to live or deadline.
    /// - Throws: `leadership_lost`.
    func rescue(limit: Int, by leader: Leadership?) async throws -> [Job]
    /// Ends at once all leases of a worker that is known to be dead: those of the jobs that were at risk as a crash, the others
    /// uncounted, see ``JobTransition/workerDied(holding:atRisk:reason:stderrTail:in:)``.
    /// - Parameter atRisk: the jobs that were in code that may crash when it died; empty when that is not known: then each counts.
    func abandon(worker: WorkerID, atRisk: Set<JobID>, reason: String, stderrTail: String?) async throws -> [Job]

    // Control

    /// Cancels a queued job, or asks the worker of a running one to stop. A finished job stays as it is.
    /// - Returns: the job as it is now, `nil` when there is none.
    func cancel(_ id: JobID) async throws -> Job?
    /// Queues a job that failed, was cancelled or expired again, keeping its history.
    /// - Throws: `state_conflict` when the job is not in such a state.
    func retry(_ id: JobID) async throws -> Job?
    /// Cancels jobs as ``cancel(_:)`` does, the oldest first.
    /// - Returns: how many were changed; fewer than `limit` when none is left.
    func cancel(matching filter: JobFilter, limit: Int) async throws -> Int
    /// Queues ended jobs again as ``retry(_:)`` does, the oldest first: those that failed, unless the filter names other states.
    /// - Returns: how many were changed; fewer than `limit` when none is left.
    func redrive(matching filter: JobFilter, limit: Int) async throws -> Int
    /// Removes finished jobs (and their events and deliveries), those that ended first at the front.
    /// Their blobs become unused and are collected by ``BlobCatalog``. A job whose webhook is still to be sent stays.
    /// - Throws: `leadership_lost`.
    func prune(_ endpoint: EndpointRetention, at now: Timestamp, limit: Int, by leader: Leadership?) async throws -> Int

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
    /// Not taken in: a quota is full, the endpoint drains, or a file is not there.
    case refused(MillraceError)
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
    /// The number of this request, which rises with each that the worker makes. A store remembers the last one that was given jobs: an earlier one
    /// that was late, or another copy of the same, gets nothing and gives nothing back, since what it says of `held` is no
    /// longer so. Who goes on waiting leaves `held` out, and may look again until a later request is given some. `nil`: the
    /// worker does not count.
    public var request: Int64?
    /// Of these, how many jobs may run counts here.
    public var quotas: EndpointQuotas

    public init(
        worker: WorkerID, endpoint: String, variant: String, jobsMax: Int, duration: Duration, held: Set<LeaseToken>? = nil,
        request: Int64? = nil, quotas: EndpointQuotas = EndpointQuotas()
    ) {
        self.held = held
        self.request = request
        self.quotas = quotas
        self.worker = worker
        self.endpoint = endpoint
        self.variant = variant
        self.jobsMax = jobsMax
        self.duration = duration
    }

    /// Whether the worker has been given jobs by a later request, or by this one.
    /// - Parameter last: the number of its last request that was given any.
    public func isOvertaken(by last: Int64?) -> Bool {
        guard let request, let last else { return false }
        return held == nil ? request < last : request <= last
    }

    /// The same request, when it has found nothing and waits: what the worker knew when it asked says nothing about what a
    /// later request was given.
    public var waitingOn: LeaseDemand {
        var copy = self
        copy.held = nil
        return copy
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
        case succeeded(outputs: [JobFile], inline: [InlineOutput] = [])
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

extension JobStore {
    public func admit(_ jobs: [NewJob]) async throws -> [Admission] { try await admit(jobs, within: EndpointQuotas()) }
    /// For a store that only one process uses.
    public func rescue(limit: Int) async throws -> [Job] { try await rescue(limit: limit, by: nil) }
}
