/// What the workers of one variant used in one day, and what it cost.
public struct WorkerUsage: Sendable, Codable, Equatable {
    /// The day in UTC.
    public var day: Day
    public var endpoint: String
    public var variant: String
    /// Of all workers, from being wanted to their end.
    public var usedSeconds: Double = 0
    /// Of these, with work.
    public var busySeconds: Double = 0
    /// What as many workers as there may be would have used.
    public var alwaysOnSeconds: Double = 0
    /// Jobs that ended after they ran.
    public var jobs: Int = 0
    /// The time of their last attempts; more than `busySeconds` where workers run several at a time.
    public var runSeconds: Double = 0
    /// In the currency of the settings, by the price of that time.
    public var cost: Double = 0

    public init(day: Day, endpoint: String, variant: String) {
        self.day = day
        self.endpoint = endpoint
        self.variant = variant
    }

    public static func += (usage: inout Self, more: Self) {
        usage.usedSeconds += more.usedSeconds
        usage.busySeconds += more.busySeconds
        usage.alwaysOnSeconds += more.alwaysOnSeconds
        usage.jobs += more.jobs
        usage.runSeconds += more.runSeconds
        usage.cost += more.cost
    }

    public var isEmpty: Bool { usedSeconds == 0 && alwaysOnSeconds == 0 && jobs == 0 }
    public var idleSeconds: Double { max(usedSeconds - busySeconds, 0) }
    /// Against workers that are always on.
    public var savedSeconds: Double { max(alwaysOnSeconds - usedSeconds, 0) }
}

/// A day in UTC, written `2026-11-28`.
public struct Day: Sendable, Hashable, Comparable {
    /// Since 1970-01-01.
    public var number: Int64

    public init(number: Int64) { self.number = number }
    public init(of time: Timestamp) { number = (time.milliseconds - (time.milliseconds < 0 ? 86_399_999 : 0)) / 86_400_000 }

    public var begin: Timestamp { Timestamp(milliseconds: number * 86_400_000) }
    public var end: Timestamp { Timestamp(milliseconds: (number + 1) * 86_400_000) }

    public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

extension Day: Codable, LosslessStringConvertible {
    public var description: String { String(begin.description.prefix(10)) }

    public init?(_ text: String) {
        guard text.utf8.count == 10, let begin = Timestamp(text + "T00:00:00Z") else { return nil }
        self.init(of: begin)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let day = Self(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a day is written 2026-11-28")
        }
        self = day
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
