import MillraceCore

/// How fast an endpoint gets through its queue, measured from its last attempts.
///
/// Each end counts the time since the end before it, but no more than its own run: what lies before a run was idleness, not
/// work. Runs side by side and full batches so show as short times between ends.
public struct ServiceRate: Sendable, Equatable {
    public var secondsPerJob: Double

    /// - Parameter times: the last attempts that ended, the latest first.
    /// - Returns: `nil` when there are too few to tell.
    public init?(_ times: [ServiceTime]) {
        guard times.count >= 2 else { return nil }
        let busy = zip(times, times.dropFirst()).reduce(0.0) { sum, pair in
            let gap = pair.0.finishedAt.since(pair.1.finishedAt)
            let run = pair.0.finishedAt.since(pair.0.startedAt)
            return sum + max(0, min(gap, run).seconds)
        }
        // Several ends in one millisecond: no faster than one each tenth of it is believed.
        secondsPerJob = max(busy / Double(times.count - 1), 0.0001)
    }
}

/// Where a queued job stands.
public struct QueueStanding: Sendable, Equatable {
    /// Jobs that come before it if nothing else arrives: those of higher priority, the tenant's own earlier ones, and a turn of every
    /// other tenant for each of these.
    public var ahead: Int
    /// When it starts, if its endpoint goes on as it did; `nil` when nothing has been measured yet.
    public var estimatedStart: Timestamp?

    /// - Parameters:
    ///   - ownAhead: jobs before it in its own lane.
    ///   - lanes: the lanes of its endpoint.
    public init(of job: Job, ownAhead: Int, lanes: [Lane], rate: ServiceRate?, at now: Timestamp) {
        let others = lanes.filter { $0.key.variant == job.variant && $0.key != LaneKey(job) }
        let higher = others.filter { $0.key.priority > job.priority }.reduce(0) { $0 + $1.queued }
        let beside = others.filter { $0.key.priority == job.priority }.reduce(0) { $0 + min($1.queued, ownAhead + 1) }
        ahead = ownAhead + higher + beside
        let start = rate.map { max(job.runAt, now) + .milliseconds(Int64($0.secondsPerJob * Double(ahead) * 1000)) }
        estimatedStart = start
    }
}
