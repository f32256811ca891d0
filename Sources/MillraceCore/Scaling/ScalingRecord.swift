/// One decision of a fleet's controller, with what it was made of. Kept across restarts.
public struct ScalingRecord: Sendable, Codable, Equatable {
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// More workers are started.
        case up
        /// Workers are marked as draining.
        case down
        /// More workers are wanted, and something stands in the way: a budget, no capacity, starts that failed.
        case hold
        /// A budget is nearly used up.
        case warning
        /// The provider takes a worker away: its work went back.
        case notice
    }

    /// What the decision was made of.
    public struct Inputs: Sendable, Codable, Equatable {
        public var ready = 0
        public var running = 0
        public var oldestWaitSeconds: Double?
        public var starting = 0
        public var busy = 0
        public var idle = 0
        public var draining = 0
        public var jobsPerSecond: Double?
        public var startupSeconds: Double?
        /// What the policy alone wanted.
        public var policyWanted = 0
        public var gpuHoursToday: Double?

        public init() {}
    }

    /// Rises with each record of a store; 0 until it is kept.
    public var sequence: Int64 = 0
    public var at: Timestamp
    public var endpoint: String
    public var variant: String
    public var kind: Kind
    /// Workers that served, and that shall.
    public var from: Int
    public var to: Int
    /// For people: "4 workers: 210 jobs waiting, 3.1 jobs/s each, target wait 10 s".
    public var reason: String
    public var inputs: Inputs

    public init(
        at: Timestamp, endpoint: String, variant: String, kind: Kind, from: Int, to: Int, reason: String, inputs: Inputs = Inputs()
    ) {
        self.at = at
        self.endpoint = endpoint
        self.variant = variant
        self.kind = kind
        self.from = from
        self.to = to
        self.reason = reason
        self.inputs = inputs
    }
}
