import MillraceCore
import MillraceInference

/// A job that waits or runs in a simulation.
struct SimulatedJob: Sendable {
    var number: UInt64
    var arrivedAt: Double
    /// What it takes one worker alone, in seconds.
    var work: Double
    var hasWaited = false
}

struct SimulatedWorker {
    enum Phase {
        /// Free for another one.
        case gone
        case starting
        case serving
    }
    var phase = Phase.gone
    /// Tells this worker from those that had its place before: an event of an older one is void.
    var generation = 0
    var id = WorkerID(high: 0, low: 0)
    var instance = ""
    var isDraining = false
    var wantedAt = 0.0
    var idleSince = 0.0
    var batchBegan = 0.0
    /// What it runs now.
    var jobs: [SimulatedJob] = []
    /// What it has taken and not begun, where jobs run in batches.
    var planner: BatchPlanner<SimulatedJob>?

    var holdsWork: Bool { !jobs.isEmpty || (planner?.count ?? 0) > 0 }
}
