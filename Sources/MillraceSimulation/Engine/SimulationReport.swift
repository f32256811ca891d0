import MillraceCore

/// What is made to go wrong.
public enum FaultKind: String, Sendable, CaseIterable, Codable {
    case messageLost = "message lost"
    case messageDoubled = "message doubled"
    case messageLate = "message late"
    case partition = "partition"
    case answerLost = "store's answer lost"
    case writeRefused = "write refused"
    case diskFull = "disk full"
    case slowDisk = "slow disk"
    case storeRestart = "store restart"
    case gatewayCrash = "gateway crash"
    case gatewayStall = "gateway stall"
    case workerCrash = "worker crash"
    case workerStall = "worker stall"
    case workerDrain = "worker drain"
    case clockStep = "clock step"
    case leaderLate = "leader late"
    case modeSet = "mode set"
}

/// What came of one seed.
public struct SimulationReport: Sendable {
    public struct Failure: Sendable {
        public var violation: Violation
        public var step: Int
        /// The last lines of the log about the job concerned.
        public var trail: [String]
    }

    public var seed: UInt64
    /// Equal for equal runs.
    public var hash: UInt64 = 0
    public var steps = 0
    /// The virtual time that passed.
    public var elapsed: Duration = .zero
    public var jobs = 0
    public var jobEvents = 0
    public var webhooks = 0
    /// Jobs that were refused at the door: by a quota, or by an endpoint that drains.
    public var refusals = 0
    /// Writes with an epoch that was over.
    public var staleEpochs = 0
    /// Requests for work that a later one had overtaken.
    public var overtaken = 0
    /// Writes with a stale token about a job that another attempt runs: what the fence is for.
    public var staleWrites = 0
    public var faults: [FaultKind: Int] = [:]
    /// Calls that reached the store, by name.
    public var calls: [String: Int] = [:]
    public var failure: Failure?
    /// The last lines of the log, as many as were asked for.
    public var log: [String] = []

    init(seed: UInt64) {
        self.seed = seed
    }
}
