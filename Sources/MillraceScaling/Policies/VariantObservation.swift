import MillraceCloud
import MillraceCore

/// Everything a policy may know about one variant at one moment.
public struct VariantObservation: Sendable, Equatable {
    public struct Worker: Sendable, Equatable {
        public enum Activity: Sendable, Equatable {
            /// Wanted since then, and not ready yet.
            case starting(since: Timestamp)
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

        public var isDraining: Bool { if case .draining = activity { true } else { false } }
        public var isStarting: Bool { if case .starting = activity { true } else { false } }
    }
    public var endpoint: String
    public var variant: String
    /// While its endpoint is paused, without what asks for workers.
    public var scaling: ScalingConfiguration
    public var isPaused = false
    public var now: Timestamp
    /// Jobs that are due and wait.
    public var ready: Int
    public var running: Int
    public var oldestReadyAt: Timestamp?
    public var workers: [Worker]
    /// What came, what it took and how long workers needed to start, until now.
    public var demand: DemandHistory

    public init(
        endpoint: String, variant: String, scaling: ScalingConfiguration, now: Timestamp, ready: Int, running: Int,
        oldestReadyAt: Timestamp?, workers: [Worker], demand: DemandHistory = DemandHistory()
    ) {
        self.endpoint = endpoint
        self.variant = variant
        self.scaling = scaling
        self.now = now
        self.ready = ready
        self.running = running
        self.oldestReadyAt = oldestReadyAt
        self.workers = workers
        self.demand = demand
    }

    /// What one busy worker does; `nil` until it has been measured.
    public var service: ServiceMeasure? { demand.service }
    /// From wanted to ready; `nil` until a worker has become ready.
    public var startup: Duration? { demand.startup }
}
