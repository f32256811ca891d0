import MillraceCore

/// Judges at the door whether jobs of one endpoint may come in: what its operator says, and its quotas.
///
/// A store loads what is there, judges each job in turn, and writes the arrivals that moved back in the same transaction.
public struct AdmissionGate: Sendable {
    /// What is there of the endpoint, or of one tenant in it.
    public struct Usage: Sendable, Equatable {
        public var queued: Int
        /// The state of ``RateLimit``.
        public var arrival: Int64

        public init(queued: Int = 0, arrival: Int64 = 0) {
            self.queued = queued
            self.arrival = arrival
        }
    }

    private let name: String
    private let mode: EndpointMode
    private let quotas: EndpointQuotas
    public private(set) var endpoint: Usage
    public private(set) var tenants: [String: Usage] = [:]

    public init(endpoint name: String, mode: EndpointMode, quotas: EndpointQuotas, usage: Usage) {
        self.name = name
        self.mode = mode
        self.quotas = quotas
        endpoint = usage
    }

    /// Whether the usage of a tenant must be given before it is judged.
    public func needsUsage(of tenant: String) -> Bool {
        tenants[tenant] == nil && quotas.tenant != Quota()
    }

    public mutating func set(_ usage: Usage, of tenant: String) {
        tenants[tenant] = usage
    }

    /// Takes a place for one new job, or says why there is none. Nothing is taken then.
    public mutating func admit(tenant: String, at now: Timestamp) -> MillraceError? {
        if mode == .draining {
            return MillraceError(
                .endpointDraining, "\"\(name)\" is being drained and takes no new jobs",
                hint: "an operator opens it again with `millrace endpoints resume \(name)`", retryAfter: .seconds(30))
        }
        guard !quotas.isUnlimited else { return nil }
        var (all, own) = (endpoint, tenants[tenant] ?? Usage())
        if let refusal = take(quotas.endpoint, &all, "\"\(name)\"", at: now) { return refusal }
        if let refusal = take(quotas.tenant, &own, "tenant \"\(tenant)\" in \"\(name)\"", at: now) { return refusal }
        (endpoint, tenants[tenant]) = (all, own)
        return nil
    }

    private func take(_ quota: Quota, _ usage: inout Usage, _ who: String, at now: Timestamp) -> MillraceError? {
        if let limit = quota.queuedMax, usage.queued >= limit {
            return MillraceError(
                .quotaExceeded, "\(who) has \(usage.queued) jobs waiting; \(limit) are allowed",
                hint: "come again when some of them have run, or ask the operator for a larger queuedMax", retryAfter: .seconds(5))
        }
        if let rate = quota.rate, let wait = rate.take(&usage.arrival, at: now) {
            return MillraceError(
                .quotaExceeded, "\(who) may submit \(rate.jobs) jobs in \(Int(rate.per.seconds.rounded(.up))) s",
                hint: "submit more slowly, or ask the operator for a larger rate", retryAfter: wait)
        }
        usage.queued += 1
        return nil
    }
}
