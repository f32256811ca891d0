import MillraceCore

/// What one busy worker does.
public struct ServiceMeasure: Sendable, Codable, Equatable {
    /// Jobs that one busy worker finishes in a second.
    public var jobsPerSecond: Double
    /// Jobs that this was measured over, old ones counting less.
    public var samples: Double
    /// Variance of a job's time over the square of its mean.
    public var variation: Double
}

/// What came and what it took, of one variant: a bounded value that the controller and the simulator both feed, and that is kept
/// across restarts.
public struct DemandHistory: Sendable, Codable, Equatable {
    public init() {}

    /// Jobs became ready to run.
    public mutating func noteArrivals(_ count: Int, at now: Timestamp) {}

    /// Jobs ended.
    /// - Parameter busy: the time of workers that they took, all together. A worker that runs several at a time has its time shared.
    public mutating func noteCompletions(_ count: Int, busy: Duration, at now: Timestamp) {}

    /// A worker became ready.
    /// - Parameter took: since it was wanted.
    public mutating func noteStart(took: Duration) {}

    public var service: ServiceMeasure? { nil }
    public var startup: Duration? { nil }
}
