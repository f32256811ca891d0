import MillraceCore
import MillraceQueue

/// A store that passes everything on to another: the base of what stands between a party and the store, and of the
/// faulty stores with which tests show that the auditor sees.
// Unchecked: a subclass may keep state; one simulation calls its store from one task only, one call after the other.
open class StoreProxy: Store, @unchecked Sendable {
    public let base: any Store

    public init(_ base: any Store) {
        self.base = base
    }

    public var changes: StoreChanges { base.changes }

    // Jobs

    open func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission] {
        try await base.admit(jobs, within: quotas)
    }
    open func job(_ id: JobID) async throws -> Job? { try await base.job(id) }
    open func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job] {
        try await base.jobs(matching: filter, after: cursor, limit: limit)
    }
    open func count(matching filter: JobFilter) async throws -> Int { try await base.count(matching: filter) }
    open func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent] {
        try await base.events(of: job, after: sequence, limit: limit)
    }
    open func backlog() async throws -> [VariantBacklog] { try await base.backlog() }
    open func lanes(of endpoint: String) async throws -> [Lane] { try await base.lanes(of: endpoint) }
    open func queuedAhead(of id: JobID, countingTo limit: Int) async throws -> Int? {
        try await base.queuedAhead(of: id, countingTo: limit)
    }
    open func serviceTimes(of endpoint: String, limit: Int) async throws -> [ServiceTime] {
        try await base.serviceTimes(of: endpoint, limit: limit)
    }
    open func lease(_ demand: LeaseDemand) async throws -> [Job] { try await base.lease(demand) }
    open func lease(_ demand: LeaseDemand, waiting limit: Duration) async throws -> [Job] {
        try await base.lease(demand, waiting: limit)
    }
    open func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict] { try await base.renew(renewals) }
    open func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] { try await base.settle(reports) }
    open func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] { try await base.rescue(limit: limit, by: leader) }
    open func abandon(worker: WorkerID, atRisk: Set<JobID>, reason: String, stderrTail: String?) async throws -> [Job] {
        try await base.abandon(worker: worker, atRisk: atRisk, reason: reason, stderrTail: stderrTail)
    }
    open func cancel(_ id: JobID) async throws -> Job? { try await base.cancel(id) }
    open func retry(_ id: JobID) async throws -> Job? { try await base.retry(id) }
    open func cancel(matching filter: JobFilter, limit: Int) async throws -> Int {
        try await base.cancel(matching: filter, limit: limit)
    }
    open func redrive(matching filter: JobFilter, limit: Int) async throws -> Int {
        try await base.redrive(matching: filter, limit: limit)
    }
    open func prune(_ endpoint: EndpointRetention, at now: Timestamp, limit: Int, by leader: Leadership?) async throws -> Int {
        try await base.prune(endpoint, at: now, limit: limit, by: leader)
    }

    // Blobs

    open func reserve(_ blobs: [BlobRecord]) async throws { try await base.reserve(blobs) }
    open func seal(_ id: BlobID, bytes: Int64, sha256: String, mediaType: String) async throws {
        try await base.seal(id, bytes: bytes, sha256: sha256, mediaType: mediaType)
    }
    open func blob(_ id: BlobID) async throws -> BlobRecord? { try await base.blob(id) }
    open func claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by leader: Leadership?) async throws -> [BlobID] {
        try await base.claimUnused(pendingBefore: pendingBefore, unusedBefore: unusedBefore, limit: limit, by: leader)
    }
    open func forget(_ ids: [BlobID]) async throws { try await base.forget(ids) }

    // Workers

    open func register(_ worker: WorkerRecord) async throws { try await base.register(worker) }
    open func touch(_ worker: WorkerID, readyAt: Timestamp?) async throws -> Bool { try await base.touch(worker, readyAt: readyAt) }
    open func drain(_ workers: [WorkerID], by leader: Leadership?) async throws { try await base.drain(workers, by: leader) }
    open func recall(_ workers: [WorkerID]) async throws { try await base.recall(workers) }
    open func deregister(_ worker: WorkerID) async throws { try await base.deregister(worker) }
    open func workers() async throws -> [WorkerRecord] { try await base.workers() }
    open func removeWorkers(notSeenSince: Timestamp, by leader: Leadership?) async throws -> [WorkerRecord] {
        try await base.removeWorkers(notSeenSince: notSeenSince, by: leader)
    }

    // Deliveries

    open func claimDeliveries(limit: Int, for duration: Duration) async throws -> [Delivery] {
        try await base.claimDeliveries(limit: limit, for: duration)
    }
    open func record(_ attempt: DeliveryAttempt, of delivery: DeliveryID, claim: LeaseToken, next: Timestamp?) async throws -> Bool {
        try await base.record(attempt, of: delivery, claim: claim, next: next)
    }
    open func deliveries(of job: JobID) async throws -> [Delivery] { try await base.deliveries(of: job) }
    open func nextDeliveryAt() async throws -> Timestamp? { try await base.nextDeliveryAt() }

    // Roles, modes, the clock

    open func lead(_ role: LeadershipRole, as candidate: CandidateID, for duration: Duration) async throws -> Leadership? {
        try await base.lead(role, as: candidate, for: duration)
    }
    open func resign(_ leadership: Leadership) async throws { try await base.resign(leadership) }
    open func setMode(_ mode: EndpointMode, of endpoint: String, reason: String?) async throws {
        try await base.setMode(mode, of: endpoint, reason: reason)
    }
    open func modes() async throws -> [EndpointModeRecord] { try await base.modes() }
    open func lastChangeAt() async throws -> Timestamp? { try await base.lastChangeAt() }
    open func clockWasSetBack(by step: Duration, as leader: Leadership?) async throws {
        try await base.clockWasSetBack(by: step, as: leader)
    }

    // Scaling

    open func keep(_ entry: ScalingEntry, within limits: ScalingLimits, by leader: Leadership?) async throws {
        try await base.keep(entry, within: limits, by: leader)
    }
    open func fleets() async throws -> [FleetRecord] { try await base.fleets() }
    open func decisions(of endpoint: String?, before cursor: Int64?, limit: Int) async throws -> [ScalingRecord] {
        try await base.decisions(of: endpoint, before: cursor, limit: limit)
    }
    open func usage(from: Day, through: Day) async throws -> [WorkerUsage] { try await base.usage(from: from, through: through) }
    open func totals() async throws -> [VariantTotals] { try await base.totals() }
    open func keep(_ start: ColdStart) async throws { try await base.keep(start) }
    open func coldStarts(of endpoint: String?, limit: Int) async throws -> [ColdStart] { try await base.coldStarts(of: endpoint, limit: limit) }
    open func coldStart(ofWorkerOf job: JobID) async throws -> ColdStart? { try await base.coldStart(ofWorkerOf: job) }

    // Keys

    open func add(_ key: KeyRecord) async throws { try await base.add(key) }
    open func key(_ id: KeyID) async throws -> KeyRecord? { try await base.key(id) }
    open func keys() async throws -> [KeyRecord] { try await base.keys() }
    open func revoke(_ id: KeyID) async throws -> Bool { try await base.revoke(id) }
}
