import MillraceCore

/// What part of a job's own time its worker spends on it alone: all of it where a worker runs one job at a time, a part where several
/// share one.
///
/// Time for each job, not time since the last one ended: of jobs that run side by side, the first to end would be charged with all.
struct WorkerShare: Sendable, Codable, Equatable {
    /// Worker-seconds, and job-seconds in the same time; what is long ago counts less.
    private var busy = 0.0
    private var held = 0.0
    private var last: Look?

    private struct Look: Sendable, Codable, Equatable {
        var at: Timestamp
        var running: Int
    }
    private static let rememberedSeconds = 3600.0

    /// - Parameter busy: how long workers were busy since the last time.
    mutating func note(busy: Duration, running: Int, at now: Timestamp) {
        defer { last = Look(at: now, running: running) }
        guard let last, last.at < now else { return }
        self.busy += busy.seconds
        held += now.since(last.at).seconds * Double(last.running + running) / 2
        if held > Self.rememberedSeconds { (self.busy, held) = (self.busy / 2, held / 2) }
    }

    /// From 0 to 1.
    var value: Double { held > 0 ? min(1, busy / held) : 1 }
}
