/// How many workers an endpoint may have, and by which rule.
public struct ScalingConfiguration: Sendable, Equatable {
    public var min = 0
    public var max = 1
    public var policy = PolicyChoice.targetWait(.seconds(10))
    /// How long a worker without work stays. `nil`: the policy decides, ``idleUnlessSet`` where it has no opinion.
    public var idle: Duration?
    /// How long a stopping worker may finish what it holds; no longer than ``drainMax``.
    public var drain: Duration = .seconds(60)
    public static let drainMax: Duration = .seconds(86_400)
    public var up = Pace()
    public var down = Pace()
    /// Minimums by time of day, over any policy.
    public var schedule: [ScheduledMinimum] = []
    public var budget = Budget()
    /// Of one worker for one hour, in the currency of the settings.
    public var price: Double?

    /// For policies that learn nothing of gaps.
    public static let idleUnlessSet: Duration = .seconds(30)

    public init() {}

    /// The knob of the default policy: within this time a new job shall start.
    public var targetWait: Duration {
        get { if case .targetWait(let wait) = policy { wait } else { .seconds(10) } }
        set { policy = .targetWait(newValue) }
    }
}

extension ScalingConfiguration {
    public enum PolicyChoice: Sendable, Equatable {
        /// Workers so that a new job starts within this time.
        case targetWait(Duration)
        /// By how many jobs wait, as step alarms count.
        case step([Step])
        /// So many jobs, waiting and running, for each worker.
        case backlogPerWorker(Double)
        case always(Int)
    }

    /// From so many waiting jobs on, so many workers.
    public struct Step: Sendable, Codable, Equatable {
        public var from: Int
        public var workers: Int

        public init(from: Int, workers: Int) {
            self.from = from
            self.workers = workers
        }
    }

    /// How fast the number of workers follows what the policy wants, in one direction.
    public struct Pace: Sendable, Codable, Equatable {
        /// For so long the policy must have wanted it: up to the least, down to the most that it wanted in that time.
        public var stabilization: Duration = .zero
        /// At most so many in one step; `nil`: no limit. Steps are a minute apart.
        public var workersMax: Int?

        public init(stabilization: Duration = .zero, workersMax: Int? = nil) {
            self.stabilization = stabilization
            self.workersMax = workersMax
        }
    }

    /// At least so many workers at these hours.
    public struct ScheduledMinimum: Sendable, Codable, Equatable {
        /// Minutes after midnight, 0 to 1440. Where `until` is not after `from` the time goes on past midnight.
        public var from: Int
        public var until: Int
        public var days: Set<Weekday>
        /// A name of the IANA time zone database.
        public var timeZone: String
        public var min: Int

        public init(from: Int, until: Int, days: Set<Weekday> = Set(Weekday.allCases), timeZone: String = "UTC", min: Int) {
            self.from = from
            self.until = until
            self.days = days
            self.timeZone = timeZone
            self.min = min
        }
    }

    public enum Weekday: String, Sendable, Codable, CaseIterable {
        case mon, tue, wed, thu, fri, sat, sun
    }

    /// What an endpoint may use. At the cap nothing new is started and the rest drains.
    public struct Budget: Sendable, Codable, Equatable {
        /// Worker-hours in one day, midnight to midnight in UTC.
        public var gpuHoursPerDayMax: Double?
        /// Price of all workers at one time, in the currency of the settings.
        public var costPerHourMax: Double?
        /// At this share of a cap a warning is given.
        public var warnAt = 0.8

        public init() {}
    }
}

// MARK: - JSON

/// Every key may be missing, as some are in what older versions wrote; they had `targetWait` beside `min` and `max`.
extension ScalingConfiguration: Codable {
    private enum CodingKeys: String, CodingKey {
        case min, max, policy, idle, drain, up, down, schedule, budget, price, targetWait
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        min = try container.decodeIfPresent(Int.self, forKey: .min) ?? min
        max = try container.decodeIfPresent(Int.self, forKey: .max) ?? max
        if let old = try container.decodeIfPresent(Duration.self, forKey: .targetWait) { targetWait = old }
        policy = try container.decodeIfPresent(PolicyChoice.self, forKey: .policy) ?? policy
        idle = try container.decodeIfPresent(Duration.self, forKey: .idle)
        drain = try container.decodeIfPresent(Duration.self, forKey: .drain) ?? drain
        up = try container.decodeIfPresent(Pace.self, forKey: .up) ?? up
        down = try container.decodeIfPresent(Pace.self, forKey: .down) ?? down
        schedule = try container.decodeIfPresent([ScheduledMinimum].self, forKey: .schedule) ?? schedule
        budget = try container.decodeIfPresent(Budget.self, forKey: .budget) ?? budget
        price = try container.decodeIfPresent(Double.self, forKey: .price)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(min, forKey: .min)
        try container.encode(max, forKey: .max)
        try container.encode(policy, forKey: .policy)
        try container.encodeIfPresent(idle, forKey: .idle)
        try container.encode(drain, forKey: .drain)
        try container.encode(up, forKey: .up)
        try container.encode(down, forKey: .down)
        try container.encode(schedule, forKey: .schedule)
        try container.encode(budget, forKey: .budget)
        try container.encodeIfPresent(price, forKey: .price)
    }
}

/// One key that names the policy, as in the settings: `{"targetWait": …}`.
extension ScalingConfiguration.PolicyChoice: Codable {
    private enum CodingKeys: String, CodingKey {
        case targetWait, step, backlogPerWorker, always
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch container.allKeys.first {
        case .targetWait: self = .targetWait(try container.decode(Duration.self, forKey: .targetWait))
        case .step: self = .step(try container.decode([ScalingConfiguration.Step].self, forKey: .step))
        case .backlogPerWorker: self = .backlogPerWorker(try container.decode(Double.self, forKey: .backlogPerWorker))
        case .always: self = .always(try container.decode(Int.self, forKey: .always))
        case nil:
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "a policy is targetWait, step, backlogPerWorker or always"))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .targetWait(let wait): try container.encode(wait, forKey: .targetWait)
        case .step(let steps): try container.encode(steps, forKey: .step)
        case .backlogPerWorker(let jobs): try container.encode(jobs, forKey: .backlogPerWorker)
        case .always(let workers): try container.encode(workers, forKey: .always)
        }
    }
}
