import MillraceCore
import MillraceQueue

/// One call of the store's seam with all that it needs, so that it can travel, be lost, and be looked at by the auditor.
/// A new operation of the seam becomes a case here, a line in ``run(on:)`` and a rule in the auditor.
enum StoreCall: Sendable {
    case admit([NewJob], within: EndpointQuotas)
    /// `sentAt`: the true time at which the worker asked.
    case lease(LeaseDemand, sentAt: Int64)
    case renew([LeaseRenewal])
    case settle([AttemptReport])
    case rescue(limit: Int, by: Leadership?)
    case abandon(WorkerID, atRisk: Set<JobID>, reason: String)
    case cancel(JobID)
    case retry(JobID)
    case cancelMatching(JobFilter, limit: Int)
    case redriveMatching(JobFilter, limit: Int)
    case prune(EndpointRetention, at: Timestamp, limit: Int, by: Leadership?)
    case job(JobID)
    case reserve(BlobRecord)
    case claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by: Leadership?)
    case forget([BlobID])
    case register(WorkerRecord)
    case touch(WorkerID, readyAt: Timestamp?)
    case drain([WorkerID])
    case deregister(WorkerID)
    case removeWorkers(notSeenSince: Timestamp, by: Leadership?)
    case claimDeliveries(limit: Int, for: Duration)
    case record(DeliveryAttempt, of: DeliveryID, claim: LeaseToken, next: Timestamp?)
    case setMode(EndpointMode, of: String)
    case lead(LeadershipRole, as: CandidateID, for: Duration)
    case resign(Leadership)
    case lastChange
    case clockWasSetBack(by: Duration, as: Leadership?)
}

enum StoreReply: Sendable {
    case done
    case admissions([Admission])
    case jobs([Job])
    case verdicts([LeaseVerdict])
    case job(Job?)
    case flag(Bool)
    case count(Int)
    case blobs([BlobID])
    case workers([WorkerRecord])
    case deliveries([Delivery])
    case leadership(Leadership?)
    case time(Timestamp?)
}

typealias StoreResult = Result<StoreReply, MillraceError>

extension StoreCall {
    var isWrite: Bool {
        switch self {
        case .job, .lastChange: false
        default: true
        }
    }

    /// The epoch that it carries.
    var leader: Leadership? {
        switch self {
        case .rescue(_, let leader), .prune(_, _, _, let leader), .claimUnused(_, _, _, let leader), .removeWorkers(_, let leader),
            .clockWasSetBack(_, let leader):
            leader
        default: nil
        }
    }

    var name: String {
        switch self {
        case .admit: "admit"
        case .lease: "lease"
        case .renew: "renew"
        case .settle: "settle"
        case .rescue: "rescue"
        case .abandon: "abandon"
        case .cancel: "cancel"
        case .retry: "retry"
        case .cancelMatching: "cancel by filter"
        case .redriveMatching: "redrive by filter"
        case .prune: "prune"
        case .job: "job"
        case .reserve: "reserve"
        case .claimUnused: "claim unused"
        case .forget: "forget"
        case .register: "register"
        case .touch: "touch"
        case .drain: "drain"
        case .deregister: "deregister"
        case .removeWorkers: "remove workers"
        case .claimDeliveries: "claim deliveries"
        case .record: "record delivery"
        case .setMode: "set mode"
        case .lead: "lead"
        case .resign: "resign"
        case .lastChange: "last change"
        case .clockWasSetBack: "clock was set back"
        }
    }

    func run(on store: any Store) async throws -> StoreReply {
        switch self {
        case .admit(let jobs, let quotas): return .admissions(try await store.admit(jobs, within: quotas))
        case .lease(let demand, _): return .jobs(try await store.lease(demand))
        case .renew(let renewals): return .verdicts(try await store.renew(renewals))
        case .settle(let reports): return .verdicts(try await store.settle(reports))
        case .rescue(let limit, let leader): return .jobs(try await store.rescue(limit: limit, by: leader))
        case .abandon(let worker, let atRisk, let reason):
            return .jobs(try await store.abandon(worker: worker, atRisk: atRisk, reason: reason, stderrTail: nil))
        case .cancel(let id): return .job(try await store.cancel(id))
        case .retry(let id): return .job(try await store.retry(id))
        case .cancelMatching(let filter, let limit): return .count(try await store.cancel(matching: filter, limit: limit))
        case .redriveMatching(let filter, let limit): return .count(try await store.redrive(matching: filter, limit: limit))
        case .prune(let endpoint, let time, let limit, let leader):
            return .count(try await store.prune(endpoint, at: time, limit: limit, by: leader))
        case .job(let id): return .job(try await store.job(id))
        default: return try await runOnTheSide(on: store)
        }
    }

    private func runOnTheSide(on store: any Store) async throws -> StoreReply {
        switch self {
        case .reserve(let blob): try await store.reserve(blob)
        case .claimUnused(let pending, let unused, let limit, let leader):
            return .blobs(try await store.claimUnused(pendingBefore: pending, unusedBefore: unused, limit: limit, by: leader))
        case .forget(let ids): try await store.forget(ids)
        case .register(let worker): try await store.register(worker)
        case .touch(let worker, let readyAt): return .flag(try await store.touch(worker, readyAt: readyAt))
        case .drain(let workers): try await store.drain(workers)
        case .deregister(let worker): try await store.deregister(worker)
        case .removeWorkers(let time, let leader): return .workers(try await store.removeWorkers(notSeenSince: time, by: leader))
        case .claimDeliveries(let limit, let duration):
            return .deliveries(try await store.claimDeliveries(limit: limit, for: duration))
        case .record(let attempt, let delivery, let claim, let next):
            return .flag(try await store.record(attempt, of: delivery, claim: claim, next: next))
        case .setMode(let mode, let endpoint): try await store.setMode(mode, of: endpoint, reason: nil)
        case .lead(let role, let candidate, let duration):
            return .leadership(try await store.lead(role, as: candidate, for: duration))
        case .resign(let leadership): try await store.resign(leadership)
        case .lastChange: return .time(try await store.lastChangeAt())
        case .clockWasSetBack(let step, let leader): try await store.clockWasSetBack(by: step, as: leader)
        default: preconditionFailure("\(name) has no line in run(on:)")
        }
        return .done
    }
}
