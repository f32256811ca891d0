import MillraceCore

/// A policy, and when it is asked.
public struct SimulatedPolicy: Sendable {
    public enum Cadence: Sendable, Equatable {
        /// Like a cloud's alarm: every so many seconds, whatever happens.
        case every(Double)
        /// Like the controller: when something happened, but not twice within this time, in seconds.
        case events(spacing: Double)
    }
    public var name: String
    public var policy: any ScalingPolicy
    public var cadence: Cadence
    /// Minimum, maximum and whatever else the policy reads of the configuration.
    public var scaling: ScalingConfiguration

    public init(name: String, policy: any ScalingPolicy, cadence: Cadence = .events(spacing: 0.1), scaling: ScalingConfiguration) {
        self.name = name
        self.policy = policy
        self.cadence = cadence
        self.scaling = scaling
    }
}

/// Everything of a simulation but its jobs and its policy.
public struct SimulationSetup: Sendable {
    public var service: ServiceModel
    public var fleet: FleetModel
    /// Jobs that a worker takes together.
    public var batching: BatchingPolicy
    public var seed: UInt64
    /// What a schedule's hours and a budget's days are counted from.
    public var startsAt = Timestamp(milliseconds: 1_767_225_600_000)
    /// After the last job workers are paid for until they are gone, but no longer than this, in seconds.
    public var tailMax = 3600.0

    public init(service: ServiceModel, fleet: FleetModel = FleetModel(), batching: BatchingPolicy = .single, seed: UInt64 = 1) {
        self.service = service
        self.fleet = fleet
        self.batching = batching
        self.seed = seed
    }
}

extension BatchingPolicy {
    /// One job at a time.
    public static var single: BatchingPolicy {
        var policy = BatchingPolicy()
        policy.itemsMax = 1
        return policy
    }
}
