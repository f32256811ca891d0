/// How much of an endpoint may be used: by all together, and by each tenant. `nil`: without a limit.
public struct EndpointQuotas: Sendable, Codable, Equatable {
    public var endpoint = Quota()
    public var tenant = Quota()

    public init(endpoint: Quota = Quota(), tenant: Quota = Quota()) {
        self.endpoint = endpoint
        self.tenant = tenant
    }

    public var isUnlimited: Bool { self == EndpointQuotas() }
    public var limitRunning: Bool { endpoint.runningMax != nil || tenant.runningMax != nil }
}

public struct Quota: Sendable, Codable, Equatable {
    /// Jobs that may wait at once; more are refused at the door.
    public var queuedMax: Int?
    /// Jobs that may run at once; more wait.
    public var runningMax: Int?
    /// How fast jobs may come; faster ones are refused at the door.
    public var rate: RateLimit?

    public init(queuedMax: Int? = nil, runningMax: Int? = nil, rate: RateLimit? = nil) {
        self.queuedMax = queuedMax
        self.runningMax = runningMax
        self.rate = rate
    }
}

/// A number of jobs in a time, with room for some more at once.
public struct RateLimit: Sendable, Codable, Equatable {
    public var jobs: Int
    public var per: Duration
    /// Jobs that may come at once after a quiet time.
    public var burst: Int

    public init(jobs: Int, per: Duration, burst: Int? = nil) {
        self.jobs = jobs
        self.per = per
        self.burst = burst ?? jobs
    }

    /// Takes one job from the limit, by the generic cell rate algorithm.
    ///
    /// Source: ITU-T Recommendation I.371, "virtual scheduling"; one number, in microseconds, is all its state.
    /// - Parameter arrival: the theoretical arrival time of the next job; moved when the job may come.
    /// - Returns: how long to wait when the job may not come now, else `nil`.
    public func take(_ arrival: inout Int64, at now: Timestamp) -> Duration? {
        let now = now.milliseconds * 1000
        let spacing = max(1, per.milliseconds * 1000 / Int64(max(1, jobs)))
        let room = spacing * Int64(max(1, burst))
        // No job moves it further than this: such an arrival is from before the clock was set back, and would close the door for as long.
        let known = arrival <= now + room ? arrival : now
        let next = max(known, now) + spacing
        let early = next - room - now
        guard early <= 0 else { return .microseconds(early) }
        arrival = next
        return nil
    }
}
