import MillraceCore

/// One tenant's jobs of one priority for one variant of an endpoint: what fairness is between.
public struct LaneKey: Sendable, Hashable, Comparable, Codable {
    public var endpoint: String
    public var variant: String
    public var priority: Int
    public var tenant: String

    public init(endpoint: String, variant: String, priority: Int, tenant: String) {
        self.endpoint = endpoint
        self.variant = variant
        self.priority = priority
        self.tenant = tenant
    }

    public init(_ job: Job) {
        self.init(endpoint: job.endpoint, variant: job.variant, priority: job.priority, tenant: job.tenant)
    }

    /// By endpoint and variant, the highest priority first.
    public static func < (left: Self, right: Self) -> Bool {
        (left.endpoint, left.variant, right.priority, left.tenant) < (right.endpoint, right.variant, left.priority, right.tenant)
    }
}

/// What waits and runs in a lane.
public struct Lane: Sendable, Equatable, Codable {
    public var key: LaneKey
    /// Due or not.
    public var queued: Int
    public var running: Int

    public init(key: LaneKey, queued: Int, running: Int) {
        self.key = key
        self.queued = queued
        self.running = running
    }
}

/// When an attempt of a job that has ended began and ended.
public struct ServiceTime: Sendable, Equatable {
    public var startedAt: Timestamp
    public var finishedAt: Timestamp

    public init(startedAt: Timestamp, finishedAt: Timestamp) {
        self.startedAt = startedAt
        self.finishedAt = finishedAt
    }
}
