import MillraceQueue

/// What is simulated, and for how long.
public struct SimulationSettings: Sendable {
    public enum StoreKind: Sendable, Equatable {
        case memory
        /// A new SQLite file for each run, in this folder.
        case sqlite(folder: String)
    }

    /// Events of the safety phase.
    public var steps = 6000
    public var store: StoreKind = .memory
    /// Puts something between the simulation and its store: the tests' way to plant a fault.
    public var wrap: (@Sendable (any Store) -> any Store)?
    /// Steps between two looks at everything.
    public var sweepEvery = 1000
    /// Virtual time after the last fault within which every job must have ended and every webhook must have arrived.
    public var livenessLimit: Duration = .seconds(1800)

    /// Lines of the log that the report carries.
    public var logLines = 0

    public init() {}
}

/// The times of the simulated deployment, in milliseconds: those of the product, with retention short enough to be seen.
enum Timing {
    static let lease: Int64 = 15_000
    static let heartbeat: Int64 = 3_500
    static let rescueTick = lease / 3
    static let retentionRound: Int64 = 20_000
    /// How long finished jobs stay, and blobs that no job uses.
    static let retention: Int64 = 60_000
    static let unusedAge: Int64 = 120_000
    static let deliveryPoll: Int64 = 3_000
    static let deliveryClaim: Int64 = 60_000
    static let leaseWait: Int64 = 12_000
}
