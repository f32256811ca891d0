import MillraceCore
import MillraceQueue
import MillraceSimulation

// Stores with one fault each, for the auditor to find.
// Unchecked, all of them: one simulation calls its store from one task only, one call after the other.

/// Writes with the token that is current, whatever token is given.
final class Unfenced: StoreProxy, @unchecked Sendable {
    override func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict] {
        var renewals = renewals
        for index in renewals.indices {
            if let current = try await base.job(renewals[index].job)?.lease?.token { renewals[index].token = current }
        }
        return try await base.renew(renewals)
    }

    override func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] {
        var reports = reports
        for index in reports.indices {
            if let current = try await base.job(reports[index].job)?.lease?.token { reports[index].token = current }
        }
        return try await base.settle(reports)
    }
}

/// Does not know the twentieth job any more.
final class Forgetful: StoreProxy, @unchecked Sendable {
    private var count = 0
    private var lost: JobID?

    override func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission] {
        count += jobs.count
        if count >= 20, lost == nil { lost = jobs.first?.job.id }
        return try await base.admit(jobs, within: quotas)
    }

    override func job(_ id: JobID) async throws -> Job? { id == lost ? nil : try await base.job(id) }
}

/// Shows every webhook of a job twice, under two ids.
final class Doubling: StoreProxy, @unchecked Sendable {
    override func deliveries(of job: JobID) async throws -> [Delivery] {
        try await base.deliveries(of: job).flatMap { delivery in
            var twin = delivery
            twin.id = DeliveryID(high: ~delivery.id.high, low: delivery.id.low)
            return [delivery, twin]
        }
    }
}

/// Queues cancelled jobs again when it rescues.
final class Resurrecting: StoreProxy, @unchecked Sendable {
    override func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] {
        let dead = try await base.jobs(matching: JobFilter(states: [.cancelled]), after: nil, limit: 1)
        for job in dead { _ = try await base.retry(job.id) }
        return try await base.rescue(limit: limit, by: leader)
    }
}

/// Gives leases that last for a fifth of the time.
final class Impatient: StoreProxy, @unchecked Sendable {
    override func lease(_ demand: LeaseDemand) async throws -> [Job] {
        var demand = demand
        demand.duration = demand.duration / 5
        return try await base.lease(demand)
    }
}

/// Does not look at keys.
final class Keyless: StoreProxy, @unchecked Sendable {
    override func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission] {
        try await base.admit(jobs.map { NewJob(job: $0.job) }, within: quotas)
    }
}

/// Collects a blob of a job that needs it.
final class Collecting: StoreProxy, @unchecked Sendable {
    override func claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by leader: Leadership?) async throws -> [BlobID] {
        let used = try await base.jobs(matching: JobFilter(), after: nil, limit: 1000).compactMap { $0.files.first?.blob }
        return try await base.claimUnused(pendingBefore: pendingBefore, unusedBefore: unusedBefore, limit: limit, by: leader)
            + used.prefix(1)
    }
}

/// Rescues nothing.
final class Forsaking: StoreProxy, @unchecked Sendable {
    override func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] { [] }
}

/// Makes a failure of every release.
final class Counting: StoreProxy, @unchecked Sendable {
    override func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] {
        try await base.settle(
            reports.map { report in
                var report = report
                if case .released = report.outcome { report.outcome = .failed(JobFailure(.handlerError, "no", retryable: true)) }
                return report
            })
    }
}
