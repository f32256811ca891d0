import MillraceCore

/// Where workers come from: local processes, an ECS service, an Auto Scaling group.
///
/// A fleet starts and stops; it never decides how many. Stopping is asked for by name and only for workers that are
/// idle and marked as draining in the job store, or that never came so far as to be known there; `reconcile` may be called again and again with the same target.
/// Implementations pass `FleetConformance`, those on joined machines together with an agent's side of the work.
public protocol Fleet: Sendable {
    /// Retires whom the target names and starts what is missing.
    /// - Throws: ``FleetProblem`` when it could not start all that is missing. What could be started has been, and whoever was to be
    ///   retired has been.
    func reconcile(_ target: FleetTarget) async throws
    /// What there is now, as far as the provider knows: from the moment that it was asked for until it is gone.
    func instances() async throws -> [FleetInstance]
    /// Instances that ended by themselves, did not come, go, or will be taken away (a crash, a spot notice). For one reader.
    func interruptions() -> AsyncStream<FleetInterruption>
}

public struct FleetTarget: Sendable, Equatable {
    public var endpoint: String
    public var variant: String
    /// How many instances there should be.
    public var desired: Int
    /// Instances that may be stopped now: draining and idle, or given up before they had registered.
    public var retire: Set<InstanceID>
    /// Instances that hold work must not be stopped before this time by anything the provider does on its own.
    public var protectUntil: [InstanceID: Timestamp]

    public init(
        endpoint: String, variant: String, desired: Int, retire: Set<InstanceID> = [],
        protectUntil: [InstanceID: Timestamp] = [:]
    ) {
        self.endpoint = endpoint
        self.variant = variant
        self.desired = desired
        self.retire = retire
        self.protectUntil = protectUntil
    }
}

/// A provider's name for an instance: `local:12345`, an ECS task id. A worker registers with it.
public typealias InstanceID = String

public struct FleetInstance: Sendable, Codable, Equatable {
    public enum Phase: String, Sendable, Codable { case starting, running, stopping }
    public var id: InstanceID
    public var endpoint: String
    public var variant: String
    public var phase: Phase
    /// When it was asked for.
    public var startedAt: Timestamp

    public init(id: InstanceID, endpoint: String, variant: String, phase: Phase, startedAt: Timestamp) {
        self.id = id
        self.endpoint = endpoint
        self.variant = variant
        self.phase = phase
        self.startedAt = startedAt
    }
}

public struct FleetInterruption: Sendable, Equatable {
    public enum Reason: Sendable, Equatable {
        /// The process is gone. `status` is how people read it: `exit 1`, `signal 9`.
        case ended(status: String, expected: Bool, stderrTail: String)
        /// The provider takes the instance away at this time.
        case notice(Timestamp)
        /// The fleet itself lets it go: it is given no more. `why` is for people: `the machine "m" stops: its workers finish what they hold`.
        case letGo(why: String)
        /// The provider said afterwards that it cannot start it.
        case failed(FleetProblem)
    }
    public var instance: InstanceID
    public var endpoint: String
    public var variant: String
    public var reason: Reason

    public init(instance: InstanceID, endpoint: String, variant: String, reason: Reason) {
        self.instance = instance
        self.endpoint = endpoint
        self.variant = variant
        self.reason = reason
    }
}
