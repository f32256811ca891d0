import MillraceCore

/// What the controllers of fleets decided, know and counted, and how workers started. Kept across restarts, and bounded.
public protocol ScalingStore: Sendable {
    /// Keeps what a controller says of one fleet, in one step: its status and memory replace those before, decisions are added in order,
    /// usage is added up. Whatever is over the limits goes.
    /// - Throws: `leadership_lost`.
    func keep(_ entry: ScalingEntry, within limits: ScalingLimits, by leader: Leadership?) async throws
    /// Every fleet that was ever kept, by endpoint and variant.
    func fleets() async throws -> [FleetRecord]
    /// Decisions, the latest first.
    /// - Parameters:
    ///   - endpoint: `nil`: of all.
    ///   - cursor: only those before this sequence.
    func decisions(of endpoint: String?, before cursor: Int64?, limit: Int) async throws -> [ScalingRecord]
    /// By day, endpoint and variant.
    func usage(from: Day, through: Day) async throws -> [WorkerUsage]
    /// What has come and ended of each variant, ever; what retention removes stays counted.
    func totals() async throws -> [VariantTotals]

    /// Keeps what is known of a worker's start. What one says of an instance is added to what another said.
    func keep(_ start: ColdStart) async throws
    /// Those that were heard of last come first.
    func coldStarts(of endpoint: String?, limit: Int) async throws -> [ColdStart]
    /// The start of the worker that last took a job; `nil` when it is not known.
    func coldStart(ofWorkerOf job: JobID) async throws -> ColdStart?
}

extension ScalingStore {
    /// For a store that only one process uses.
    public func keep(_ entry: ScalingEntry) async throws { try await keep(entry, within: ScalingLimits(), by: nil) }
}

/// What a controller says of its fleet at one time.
public struct ScalingEntry: Sendable, Equatable {
    public var status: FleetStatus
    /// What the controller wants to have again after a restart; its own business.
    public var memory: String
    /// Their sequences are the store's to give.
    public var decisions: [ScalingRecord]
    /// Since what was kept before.
    public var usage: [WorkerUsage]
    /// Instances that the fleet was asked for, and when.
    public var starts: [ColdStart]

    public init(
        status: FleetStatus, memory: String = "{}", decisions: [ScalingRecord] = [], usage: [WorkerUsage] = [], starts: [ColdStart] = []
    ) {
        self.status = status
        self.memory = memory
        self.decisions = decisions
        self.usage = usage
        self.starts = starts
    }
}

public struct FleetRecord: Sendable, Equatable {
    public var status: FleetStatus
    public var memory: String

    public init(status: FleetStatus, memory: String) {
        self.status = status
        self.memory = memory
    }
}

/// How much is kept.
public struct ScalingLimits: Sendable, Equatable {
    public var decisionsMax = 10_000
    public var coldStartsMax = 5_000
    /// Of decisions.
    public var age: Duration = .seconds(90 * 86_400)
    /// Of usage.
    public var usageDays = 800

    public init() {}
}

public struct VariantTotals: Sendable, Equatable, Hashable {
    public var endpoint: String
    public var variant: String
    public var admitted = 0
    /// Ended after they ran, whatever came of it.
    public var ended = 0
    /// The last attempts of those.
    public var run: Duration = .zero

    public init(endpoint: String, variant: String, admitted: Int = 0, ended: Int = 0, run: Duration = .zero) {
        self.endpoint = endpoint
        self.variant = variant
        self.admitted = admitted
        self.ended = ended
        self.run = run
    }
}

extension ColdStart {
    /// This start, with what another said of the same instance where this one says nothing.
    func filled(from other: ColdStart) -> ColdStart {
        var copy = self
        copy.worker = worker ?? other.worker
        copy.wantedAt = wantedAt ?? other.wantedAt
        copy.marks = marks ?? other.marks
        return copy
    }
}
