import MillraceCore

/// `GET /v1/scaling`: how each fleet stands.
public struct FleetList: Sendable, Codable, Equatable {
    public struct Fleet: Sendable, Codable, Equatable {
        public var status: FleetStatus
        public var min: Int
        public var max: Int
        /// The policy with its knob: `targetWait 10s`.
        public var policy: String
        /// Of one worker for one hour; absent where the settings name none.
        public var price: Double?
        /// Since midnight in UTC.
        public var costToday: Double?
        public var gpuHoursToday: Double
        public var idleGPUHoursToday: Double

        public init(
            status: FleetStatus, min: Int, max: Int, policy: String, price: Double?, costToday: Double?, gpuHoursToday: Double,
            idleGPUHoursToday: Double
        ) {
            self.status = status
            self.min = min
            self.max = max
            self.policy = policy
            self.price = price
            self.costToday = costToday
            self.gpuHoursToday = gpuHoursToday
            self.idleGPUHoursToday = idleGPUHoursToday
        }
    }
    public var currency: String
    public var fleets: [Fleet]

    public init(currency: String, fleets: [Fleet]) {
        self.currency = currency
        self.fleets = fleets
    }
}

/// `GET /v1/scaling/decisions`, the latest first.
public struct ScalingRecordList: Sendable, Codable, Equatable {
    public var decisions: [ScalingRecord]
    /// Give it as `cursor` to get the next page; absent on the last one.
    public var nextCursor: String?

    public init(decisions: [ScalingRecord], nextCursor: String?) {
        self.decisions = decisions
        self.nextCursor = nextCursor
    }
}

/// `GET /v1/scaling/starts`, those heard of last first.
public struct ColdStartList: Sendable, Codable, Equatable {
    public var starts: [ColdStartResource]
    public init(starts: [ColdStartResource]) { self.starts = starts }
}

/// How a worker started, phase by phase. Phases that are not known are absent.
public struct ColdStartResource: Sendable, Codable, Equatable {
    public var instance: String
    public var endpoint: String
    public var variant: String
    public var worker: WorkerID?
    public var wantedAt: Timestamp?
    /// Absent while it starts, and when it never came.
    public var readyAt: Timestamp?
    /// From wanted to ready.
    public var totalSeconds: Double?
    public var provisioningSeconds: Double?
    public var processSeconds: Double?
    public var modelFetchSeconds: Double?
    public var modelLoadSeconds: Double?
    public var warmUpSeconds: Double?
    /// Of these, how long the job waited that it is shown with.
    public var waitedSeconds: Double?

    public init(_ start: ColdStart) {
        instance = start.instance
        endpoint = start.endpoint
        variant = start.variant
        worker = start.worker
        wantedAt = start.wantedAt
        readyAt = start.marks?.readyAt
        totalSeconds = start.total?.seconds
        for (phase, took) in start.phases {
            switch phase {
            case .provisioning: provisioningSeconds = took.seconds
            case .process: processSeconds = took.seconds
            case .modelFetch: modelFetchSeconds = took.seconds
            case .modelLoad: modelLoadSeconds = took.seconds
            case .warmUp: warmUpSeconds = took.seconds
            }
        }
    }
}

/// `GET /v1/scaling/cost`: what workers used and cost, by endpoint and day. A worker counts as one GPU, whether it has one or not.
public struct CostReport: Sendable, Codable, Equatable {
    public struct Line: Sendable, Codable, Equatable {
        /// Absent in sums over days.
        public var day: Day?
        /// Absent in sums over endpoints.
        public var endpoint: String?
        public var variant: String?
        public var gpuHoursUsed: Double
        public var gpuHoursBusy: Double
        public var gpuHoursIdle: Double
        /// What `scaling.max` workers would have used that were always on.
        public var gpuHoursAlwaysOn: Double
        public var gpuHoursSaved: Double
        public var jobs: Int
        /// The sum of the jobs' own times.
        public var runSeconds: Double
        /// Absent where no price was named; in sums, of what has one.
        public var cost: Double?
        /// Absent without jobs, or without a price.
        public var costPerJob: Double?

        public init(_ usage: WorkerUsage, day: Day?, endpoint: String?, variant: String?) {
            self.day = day
            self.endpoint = endpoint
            self.variant = variant
            gpuHoursUsed = usage.usedSeconds / 3600
            gpuHoursBusy = usage.busySeconds / 3600
            gpuHoursIdle = usage.idleSeconds / 3600
            gpuHoursAlwaysOn = usage.alwaysOnSeconds / 3600
            gpuHoursSaved = usage.savedSeconds / 3600
            jobs = usage.jobs
            runSeconds = usage.runSeconds
            cost = usage.isPriced ? usage.cost : nil
            costPerJob = usage.isPriced && usage.jobs > 0 ? usage.cost / Double(usage.jobs) : nil
        }
    }
    public var currency: String
    public var from: Day
    public var to: Day
    public var lines: [Line]
    public var total: Line

    public init(currency: String, from: Day, to: Day, usage: [WorkerUsage]) {
        self.currency = currency
        self.from = from
        self.to = to
        lines = usage.map { Line($0, day: $0.day, endpoint: $0.endpoint, variant: $0.variant) }
        func sum(_ usage: [WorkerUsage]) -> WorkerUsage { usage.reduce(into: WorkerUsage(day: from, endpoint: "", variant: "")) { $0 += $1 } }
        total = Line(sum(usage), day: nil, endpoint: nil, variant: nil)
        // Jobs that nobody put a price on do not make the others cheaper.
        let priced = sum(usage.filter(\.isPriced))
        total.costPerJob = priced.jobs > 0 ? priced.cost / Double(priced.jobs) : nil
    }
}

extension WorkerUsage {
    /// A price is above zero, so what was used at one has a cost.
    fileprivate var isPriced: Bool { cost > 0 }
}
