/// How one fleet stands: what its controller wanted and saw when it last looked.
public struct FleetStatus: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable, CaseIterable {
        /// No worker is wanted, and there is none.
        case asleep
        /// As many workers serve as are wanted.
        case steady
        case starting
        case draining
        /// The fleet has no room for more workers now.
        case outOfCapacity
        /// A worker died before it was ready, or soon after; another is started after a pause.
        case backingOff
        /// No worker comes up, time after time.
        case failing
        /// The budget is used up: nothing new is started, and what is over it drains.
        case overBudget
    }

    public var endpoint: String
    public var variant: String
    public var state = State.asleep
    /// Why it is so, where there is more to say than the state does.
    public var cause: String?
    public var since: Timestamp
    /// Workers that should serve.
    public var wanted = 0
    /// Workers that serve: they are ready, and do not drain.
    public var have = 0
    public var busy = 0
    public var starting = 0
    public var draining = 0
    /// When a worker is started again, after what went wrong.
    public var nextStartAt: Timestamp?
    public var startsFailedInRow = 0
    /// From wanted to ready, typically; absent until a worker has become ready.
    public var startupSeconds: Double?
    /// Of one busy worker; absent until measured.
    public var jobsPerSecond: Double?
    public var budget: BudgetUse?
    public var lastDecision: ScalingRecord?
    public var lookedAt: Timestamp

    public init(endpoint: String, variant: String, at now: Timestamp) {
        self.endpoint = endpoint
        self.variant = variant
        since = now
        lookedAt = now
    }
}

/// What a fleet has used of its budget.
public struct BudgetUse: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable { case open, warning, reached }
    public var state = State.open
    /// Since midnight in UTC. A worker counts as one GPU, whether it has one or not.
    public var gpuHoursToday: Double
    public var gpuHoursPerDayMax: Double?
    /// Of the workers that are there now.
    public var costPerHour: Double?
    public var costPerHourMax: Double?

    public init(gpuHoursToday: Double, gpuHoursPerDayMax: Double? = nil, costPerHour: Double? = nil, costPerHourMax: Double? = nil) {
        self.gpuHoursToday = gpuHoursToday
        self.gpuHoursPerDayMax = gpuHoursPerDayMax
        self.costPerHour = costPerHour
        self.costPerHourMax = costPerHourMax
    }
}
