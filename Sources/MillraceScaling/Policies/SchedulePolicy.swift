import Foundation
import MillraceCore

/// A minimum by time of day and time zone, over another policy.
public struct SchedulePolicy: ScalingPolicy {
    private let inner: any ScalingPolicy

    public init(over inner: any ScalingPolicy) {
        self.inner = inner
    }

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let due = observation.scaling.schedule.filter { $0.covers(observation.now) }.map(\.min).max() ?? 0
        var observation = observation
        let isRaised = due > observation.scaling.min
        observation.scaling.min = max(observation.scaling.min, min(due, observation.scaling.max))
        var decision = inner.decide(observation, &memory)
        if isRaised, decision.desired <= observation.scaling.min { decision.reason += "; at least \(Words.workers(due)) by schedule" }
        // Times of day are whole minutes.
        let minute = Timestamp(milliseconds: (observation.now.milliseconds / 60_000 + 1) * 60_000)
        decision.lookAgainAt = min(decision.lookAgainAt ?? minute, minute)
        return decision
    }
}

extension ScalingConfiguration.ScheduledMinimum {
    /// Whether this time is in it. A time zone that is not known counts as UTC; settings refuse it before.
    func covers(_ time: Timestamp) -> Bool {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(identifier: timeZone) ?? .gmt
        let parts = calendar.dateComponents([.hour, .minute, .weekday], from: Date(timeIntervalSince1970: time.wallSeconds))
        let minute = parts.hour! * 60 + parts.minute!
        let today = Self.day(parts.weekday!)
        if from < until { return days.contains(today) && (from..<until).contains(minute) }
        // Past midnight: the evening of a named day, or the morning after one.
        return days.contains(today) && minute >= from || days.contains(Self.day((parts.weekday! + 5) % 7 + 1)) && minute < until
    }

    /// - Parameter weekday: 1 for Sunday to 7 for Saturday.
    private static func day(_ weekday: Int) -> ScalingConfiguration.Weekday {
        [.sun, .mon, .tue, .wed, .thu, .fri, .sat][weekday - 1]
    }
}
