import MillraceCloud
import MillraceCore
import MillraceQueue

/// What a controller sees of one fleet at one time.
public struct FleetSight: Sendable, Equatable {
    /// Its demand is the controller's to fill in.
    public var observation: VariantObservation
    /// What has come and ended, ever; `nil`: nothing has.
    public var totals: VariantTotals?
    /// When each instance was asked for.
    public var wantedAt: [InstanceID: Timestamp]
    /// When each worker became ready.
    public var readyAt: [InstanceID: Timestamp]
    /// Workers that hold nothing and have been silent for too long: they hang, and stand in the way of one that does not.
    public var silent: [WorkerID]
    /// How long the model may take to load, where it says so.
    public var startMax: Duration

    public init(
        _ observation: VariantObservation, totals: VariantTotals? = nil, wantedAt: [InstanceID: Timestamp] = [:],
        readyAt: [InstanceID: Timestamp] = [:], silent: [WorkerID] = [], startMax: Duration = .zero
    ) {
        self.observation = observation
        self.totals = totals
        self.wantedAt = wantedAt
        self.readyAt = readyAt
        self.silent = silent
        self.startMax = startMax
    }
}

/// What a controller has to do about one fleet, in this order: keep, recall, drain, reconcile.
public struct FleetActions: Sendable, Equatable {
    /// `nil`: nothing is worth being written yet.
    public var entry: ScalingEntry?
    /// Workers that their provider takes away: what they hold goes back.
    public var recall: [WorkerID]
    /// Workers to mark as draining.
    public var drain: [WorkerID]
    public var target: FleetTarget
    /// When to look again if nothing happens before.
    public var lookAgainAt: Timestamp?

    /// What is new among the decisions.
    public var decisions: [ScalingRecord] { entry?.decisions ?? [] }
}

/// How a worker ended.
public struct WorkerEnd: Sendable, Equatable {
    public var instance: InstanceID
    /// How people read it: `exit 1`, `signal 9`.
    public var status: String
    /// It was asked to.
    public var expected: Bool
    /// `nil`: it never finished to start.
    public var readyAt: Timestamp?
    public var stderrTail: String

    public init(instance: InstanceID, status: String, expected: Bool, readyAt: Timestamp?, stderrTail: String = "") {
        self.instance = instance
        self.status = status
        self.expected = expected
        self.readyAt = readyAt
        self.stderrTail = stderrTail
    }
}
