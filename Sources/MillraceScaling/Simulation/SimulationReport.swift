/// What a simulation showed.
public struct SimulationReport: Sendable, Equatable {
    public var policy: String
    /// Of one worker for one hour.
    public var price: Double
    public internal(set) var waits = Tally()
    public internal(set) var turnarounds = Tally()
    public internal(set) var accepted = 0
    public internal(set) var finished = 0
    /// Still waiting or running when the simulation ended.
    public internal(set) var unfinished = 0
    /// Accepted, not ended, and neither waiting nor running.
    public internal(set) var lost = 0
    public internal(set) var doubled = 0
    public internal(set) var busyKills = 0
    public internal(set) var interruptions = 0
    /// Jobs that went back to the queue at an interruption.
    public internal(set) var givenBack = 0
    public internal(set) var starts = 0
    /// Workers that became ready while jobs waited.
    public internal(set) var coldStarts = 0
    public internal(set) var startTimes = Tally()
    /// How often the fleet had fewer workers to give than were wanted.
    public internal(set) var refusals = 0
    public internal(set) var decisions = 0
    /// From wanted to gone, of all workers together.
    public internal(set) var paidSeconds = 0.0
    /// In which workers ran jobs that ended.
    public internal(set) var workedSeconds = 0.0
    public internal(set) var lastEndedAt = 0.0
    /// When the last worker was gone.
    public internal(set) var endedAt = 0.0
    public internal(set) var timeline = Timeline()

    init(policy: String, price: Double) {
        self.policy = policy
        self.price = price
    }

    public var workerHours: Double { paidSeconds / 3600 }
    public var idleHours: Double { (paidSeconds - workedSeconds) / 3600 }
    public var utilisation: Double { paidSeconds > 0 ? workedSeconds / paidSeconds : 0 }
    public var cost: Double { workerHours * price }

    mutating func noteArrival(at time: Double) {
        accepted += 1
        timeline.noteArrival(at: time)
    }

    mutating func noteStart(took: Double, waiting: Int) {
        startTimes.note(took)
        if waiting > 0 { coldStarts += 1 }
    }

    mutating func close(at time: Double) {
        endedAt = time
    }
}
