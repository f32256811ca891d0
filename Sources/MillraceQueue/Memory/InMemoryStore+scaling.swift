import MillraceCore

extension InMemoryStore: ScalingStore {
    public func keep(_ entry: ScalingEntry, within limits: ScalingLimits, by leader: Leadership?) async throws {
        try write { state in
            let now = surroundings.now()
            try state.check(leader, at: now)
            let variant = Variant(endpoint: entry.status.endpoint, name: entry.status.variant)
            state.scaling.fleets[variant] = FleetRecord(status: entry.status, memory: entry.memory)
            for var decision in entry.decisions {
                state.scaling.sequence += 1
                decision.sequence = state.scaling.sequence
                state.scaling.decisions.append(decision)
            }
            for usage in entry.usage {
                let key = ScalingMemory.UsageKey(day: usage.day, variant: Variant(endpoint: usage.endpoint, name: usage.variant))
                state.scaling.usage[key, default: WorkerUsage(day: usage.day, endpoint: usage.endpoint, variant: usage.variant)] += usage
            }
            for start in entry.starts { state.scaling.keep(start) }
            state.scaling.prune(limits, entry, at: now)
        }
    }

    public func fleets() async throws -> [FleetRecord] {
        read { $0.scaling.fleets.sorted { $0.key < $1.key }.map(\.value) }
    }

    public func decisions(of endpoint: String?, before cursor: Int64?, limit: Int) async throws -> [ScalingRecord] {
        read { state in
            Array(
                state.scaling.decisions.reversed().lazy
                    .filter { (endpoint == nil || $0.endpoint == endpoint) && $0.sequence < cursor ?? .max }
                    .prefix(max(limit, 0)))
        }
    }

    public func usage(from: Day, through: Day) async throws -> [WorkerUsage] {
        read { state in
            state.scaling.usage.filter { (from...max(from, through)).contains($0.key.day) && from <= through }
                .sorted { ($0.key.day, $0.key.variant) < ($1.key.day, $1.key.variant) }.map(\.value)
        }
    }

    public func totals() async throws -> [VariantTotals] {
        read { $0.scaling.totals.sorted { $0.key < $1.key }.map(\.value) }
    }

    public func keep(_ start: ColdStart) async throws {
        write { state in state.scaling.keep(start) }
    }

    public func coldStarts(of endpoint: String?, limit: Int) async throws -> [ColdStart] {
        read { state in Array(state.scaling.starts.reversed().lazy.filter { endpoint == nil || $0.endpoint == endpoint }.prefix(max(limit, 0))) }
    }

    public func coldStart(ofWorkerOf job: JobID) async throws -> ColdStart? {
        read { state in
            let worker = state.entries[job]?.events.lazy.reversed().compactMap { event -> WorkerID? in
                if case .state(let change) = event.detail, change.state == .running { change.worker } else { nil }
            }.first
            return worker.flatMap { worker in state.scaling.starts.last { $0.worker == worker } }
        }
    }
}

/// What ``InMemoryStore`` keeps for controllers of fleets.
struct ScalingMemory: Sendable {
    struct UsageKey: Hashable {
        var day: Day
        var variant: Variant
    }

    var fleets: [Variant: FleetRecord] = [:]
    var sequence: Int64 = 0
    var decisions: [ScalingRecord] = []
    var usage: [UsageKey: WorkerUsage] = [:]
    var totals: [Variant: VariantTotals] = [:]
    /// In the order of being heard of first.
    var starts: [ColdStart] = []

    mutating func keep(_ start: ColdStart) {
        if let index = starts.lastIndex(where: { $0.instance == start.instance }) {
            starts[index] = start.filled(from: starts[index])
        } else {
            starts.append(start)
        }
    }

    /// Only what has grown is looked at. Decisions are in the order of time: the first young one ends the search.
    mutating func prune(_ limits: ScalingLimits, _ entry: ScalingEntry, at now: Timestamp) {
        if !entry.decisions.isEmpty {
            decisions.removeFirst(max(0, decisions.count - limits.decisionsMax))
            decisions.removeFirst(decisions.firstIndex { $0.at >= now - limits.age } ?? decisions.count)
        }
        if !entry.starts.isEmpty { starts.removeFirst(max(0, starts.count - limits.coldStartsMax)) }
        if !entry.usage.isEmpty {
            let firstDay = Day(number: Day(of: now).number - Int64(limits.usageDays))
            usage = usage.filter { $0.key.day >= firstDay }
        }
    }

    /// Counts what a transition says of a job.
    mutating func count(_ job: Job, from old: Job?) {
        let ended = old?.state == .running && job.state.isFinal
        guard old == nil || ended else { return }
        let variant = Variant(endpoint: job.endpoint, name: job.variant)
        var totals = totals[variant] ?? VariantTotals(endpoint: job.endpoint, variant: job.variant)
        if old == nil { totals.admitted += 1 }
        if ended {
            totals.ended += 1
            totals.run += job.lastRun
        }
        self.totals[variant] = totals
    }
}

extension Job {
    /// How long the last attempt took.
    public var lastRun: Duration {
        guard let startedAt, let finishedAt else { return .zero }
        return max(finishedAt.since(startedAt), .zero)
    }
}
