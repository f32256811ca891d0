import MillraceCloud
import MillraceCore

/// Says how many workers a variant should have now. Pure: the same observation gives the same decision.
public protocol ScalingPolicy: Sendable {
    func decide(_ observation: VariantObservation) -> ScalingDecision
}

/// Everything a policy may know about one variant at one moment.
public struct VariantObservation: Sendable, Equatable {
    public struct Worker: Sendable, Equatable {
        public enum Activity: Sendable, Equatable {
            case starting
            case busy
            case idle(since: Timestamp)
            case draining(holdsWork: Bool)
        }
        public var instance: InstanceID
        /// `nil` until it has registered.
        public var id: WorkerID?
        public var activity: Activity

        public init(instance: InstanceID, id: WorkerID?, activity: Activity) {
            self.instance = instance
            self.id = id
            self.activity = activity
        }
    }
    public var endpoint: String
    public var variant: String
    public var scaling: ScalingConfiguration
    public var now: Timestamp
    /// Jobs that are due and wait.
    public var ready: Int
    public var running: Int
    public var oldestReadyAt: Timestamp?
    public var workers: [Worker]

    public init(
        endpoint: String, variant: String, scaling: ScalingConfiguration, now: Timestamp, ready: Int, running: Int,
        oldestReadyAt: Timestamp?, workers: [Worker]
    ) {
        self.endpoint = endpoint
        self.variant = variant
        self.scaling = scaling
        self.now = now
        self.ready = ready
        self.running = running
        self.oldestReadyAt = oldestReadyAt
        self.workers = workers
    }
}

public struct ScalingDecision: Sendable, Equatable {
    /// Workers that should serve, those that drain not counted.
    public var desired: Int
    /// Workers that shall take no more work.
    public var drain: [WorkerID]
    /// When to look again if nothing happens before.
    public var lookAgainAt: Timestamp?

    public init(desired: Int, drain: [WorkerID] = [], lookAgainAt: Timestamp? = nil) {
        self.desired = desired
        self.drain = drain
        self.lookAgainAt = lookAgainAt
    }
}
