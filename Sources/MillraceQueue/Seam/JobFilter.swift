import MillraceCore

/// Which jobs are meant. What is `nil` does not matter.
public struct JobFilter: Sendable, Equatable {
    public var tenant: String?
    public var endpoint: String?
    public var states: Set<JobState>?
    /// Accepted at or after this time.
    public var createdFrom: Timestamp?
    /// Accepted before this time.
    public var createdBefore: Timestamp?
    /// The code of the failure.
    public var failureCode: String?

    public init(
        tenant: String? = nil, endpoint: String? = nil, states: Set<JobState>? = nil, createdFrom: Timestamp? = nil,
        createdBefore: Timestamp? = nil, failureCode: String? = nil
    ) {
        self.tenant = tenant
        self.endpoint = endpoint
        self.states = states
        self.createdFrom = createdFrom
        self.createdBefore = createdBefore
        self.failureCode = failureCode
    }

    /// Whether counts that the store keeps answer it, without looking at jobs.
    public var isCounted: Bool { createdFrom == nil && createdBefore == nil && failureCode == nil }

    public func matches(_ job: Job) -> Bool {
        (tenant == nil || tenant == job.tenant) && (endpoint == nil || endpoint == job.endpoint)
            && states?.contains(job.state) ?? true && createdFrom.map { job.createdAt >= $0 } ?? true
            && createdBefore.map { job.createdAt < $0 } ?? true && (failureCode == nil || failureCode == job.failure?.code)
    }

    /// The filter as a redrive takes it: failed jobs unless it names states.
    public var redriving: JobFilter {
        var copy = limited(to: .retriable)
        if states == nil { copy.states = [.failed] }
        return copy
    }

    /// The filter, for fewer states.
    public func limited(to allowed: Set<JobState>) -> JobFilter {
        var copy = self
        copy.states = states.map { $0.intersection(allowed) } ?? allowed
        return copy
    }
}

extension Set<JobState> {
    /// What ``JobStore/cancel(matching:limit:)`` can stop.
    public static let living: Set<JobState> = [.queued, .running]
    /// What ``JobStore/redrive(matching:limit:)`` can send round again.
    public static let retriable: Set<JobState> = [.failed, .cancelled, .expired]
}
