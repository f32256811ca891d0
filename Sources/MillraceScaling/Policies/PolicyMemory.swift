import MillraceCore

/// What a policy wanted lately, of one variant. Bounded; kept by whoever asks the policy, across restarts too.
public struct PolicyMemory: Sendable, Codable, Equatable {
    /// What was wanted, most recent last; none less than one after it.
    private var most: [Wanted] = []
    /// When no more was wanted than there was, last.
    private var notAboveAt: Timestamp?
    private var beganAt: Timestamp?
    private var steppedUpAt: Timestamp?
    private var steppedDownAt: Timestamp?
    private var askedAt: Timestamp?
    /// What the target-wait policy has learned.
    var learned: LearnedLevels?

    private struct Wanted: Sendable, Codable, Equatable {
        var at: Timestamp
        var workers: Int
    }

    public init() {}

    /// What was learned for this target and maximum; anew when they have changed. It is given back by setting ``learned``.
    mutating func takeLearned(target: Double, max: Int, arrivalsSeen: Int, at now: Timestamp) -> LearnedLevels {
        begin(at: now)
        defer { learned = nil }
        if let learned, learned.target == target, learned.max == max { return learned }
        return LearnedLevels(target: target, max: max, arrivalsSeen: arrivalsSeen, at: now)
    }

    /// How many workers there shall be when so many are wanted: more when more were wanted for as long as `up` says, fewer when
    /// fewer were for as long as `down` says, and then as many as the most that were wanted in that time.
    mutating func stabilized(
        _ wanted: Int, current: Int, up: ScalingConfiguration.Pace, down: ScalingConfiguration.Pace, at now: Timestamp
    ) -> Int {
        begin(at: now)
        note(wanted, at: now, for: down.stabilization)
        guard wanted > current else {
            notAboveAt = now
            return wanted < current ? lowered(current: current, down, at: now) : current
        }
        if now.since(notAboveAt ?? beganAt ?? now) < up.stabilization { return current }
        let step = Self.step(from: current, to: wanted, up, lastAt: steppedUpAt, now)
        if step > current { steppedUpAt = now }
        return step
    }

    /// Times to come would hold everything up until they have come: after the clock was set back, what was lately is not known.
    private mutating func begin(at now: Timestamp) {
        if let askedAt, askedAt.since(now) > .seconds(1) { self = PolicyMemory() }
        askedAt = now
        if beganAt == nil { beganAt = now }
    }

    private mutating func lowered(current: Int, _ down: ScalingConfiguration.Pace, at now: Timestamp) -> Int {
        guard now.since(beganAt ?? now) >= down.stabilization, let wanted = most.first?.workers, wanted < current else { return current }
        let step = Self.step(from: current, to: wanted, down, lastAt: steppedDownAt, now)
        if step < current { steppedDownAt = now }
        return step
    }

    private static func step(
        from current: Int, to wanted: Int, _ pace: ScalingConfiguration.Pace, lastAt: Timestamp?, _ now: Timestamp
    ) -> Int {
        guard let workersMax = pace.workersMax else { return wanted }
        if let lastAt, now.since(lastAt) < .seconds(60) { return current }
        return current + min(max(wanted - current, -workersMax), workersMax)
    }

    /// Entries closer than a sixty-fourth of the window become one, with the later time and the greater number: the list is short whatever comes.
    private mutating func note(_ wanted: Int, at now: Timestamp, for window: Duration) {
        most.removeAll { $0.at <= now - window }
        while let last = most.last, last.workers <= wanted { most.removeLast() }
        if most.count > 1, now.since(most[most.count - 2].at) < window / 64 {
            most[most.count - 1].at = now
            return
        }
        most.append(Wanted(at: now, workers: wanted))
    }
}
