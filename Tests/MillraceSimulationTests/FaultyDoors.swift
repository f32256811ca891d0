import MillraceCore
import MillraceQueue
import MillraceSimulation

// Stores that forget what operators, quotas, roles and fairness say.
// Unchecked, all of them: one simulation calls its store from one task only, one call after the other.

/// Lets everybody in, whatever the quota.
final class Unlimited: StoreProxy, @unchecked Sendable {
    override func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission] {
        try await base.admit(jobs, within: EndpointQuotas())
    }
}

/// Lets more run than may.
final class Crowded: StoreProxy, @unchecked Sendable {
    override func lease(_ demand: LeaseDemand) async throws -> [Job] {
        var demand = demand
        demand.quotas = EndpointQuotas()
        return try await base.lease(demand)
    }
}

/// Hears no operator.
final class Pauseless: StoreProxy, @unchecked Sendable {
    override func setMode(_ mode: EndpointMode, of endpoint: String, reason: String?) async throws {}
}

/// Takes every epoch.
final class Epochless: StoreProxy, @unchecked Sendable {
    override func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] { try await base.rescue(limit: limit, by: nil) }
    override func removeWorkers(notSeenSince: Timestamp, by leader: Leadership?) async throws -> [WorkerRecord] {
        try await base.removeWorkers(notSeenSince: notSeenSince, by: nil)
    }
}

/// Hands out less than there is.
final class Stingy: StoreProxy, @unchecked Sendable {
    override func lease(_ demand: LeaseDemand) async throws -> [Job] {
        var demand = demand
        demand.jobsMax = min(demand.jobsMax, 1)
        return try await base.lease(demand)
    }
}

/// Does not count requests for work.
final class Overtakable: StoreProxy, @unchecked Sendable {
    override func lease(_ demand: LeaseDemand) async throws -> [Job] {
        var demand = demand
        demand.request = nil
        return try await base.lease(demand)
    }
}
