import MillraceCloud
import MillraceCore

/// Counts what workers use, between one look and the next. Its sums go into the store; this keeps what was not kept yet, and how
/// far it has counted, so that nothing is counted twice after a restart.
struct UsageMeter: Sendable, Codable, Equatable {
    private var countedUntil: Timestamp?
    /// What each instance did at the last look.
    private var wasBusy: [InstanceID: Bool] = [:]
    private var pending: [WorkerUsage] = []
    /// Worker-seconds of the latest days: a clock may go past midnight and come back.
    private var used: [Int64: Double] = [:]
    private static let daysKept = 3
    /// Whether the last look was this process's.
    private var isLooking = false

    private enum CodingKeys: CodingKey { case countedUntil, wasBusy, pending, used }

    /// Worker-seconds since midnight.
    func used(on day: Day) -> Double { used[day.number] ?? 0 }

    var hasUsage: Bool { pending.contains { $0.usedSeconds > 0 || $0.jobs > 0 } }
    var isEmpty: Bool { pending.allSatisfy(\.isEmpty) }

    /// What is known to have been used on a day.
    mutating func noteUsed(_ usage: WorkerUsage) {
        used[usage.day.number] = max(used(on: usage.day), usage.usedSeconds)
    }

    /// Counts until now.
    /// - Parameters:
    ///   - ended: jobs that ended since, and the time of their attempts.
    /// - Returns: how long workers were busy since, as far as this process has seen it.
    mutating func count(_ sight: FleetSight, ended: (jobs: Int, run: Duration)) -> Duration {
        let (now, scaling) = (sight.observation.now, sight.observation.scaling)
        defer {
            countedUntil = now
            isLooking = true
            wasBusy = Dictionary(sight.observation.workers.map { ($0.instance, $0.activity.holdsWork) }, uniquingKeysWith: { $1 })
        }
        guard var from = countedUntil, from < now else { return .zero }
        // This process stood still, or its clock was set: nobody knows what of that time there was. What passed while there was no
        // process counts: workers outlive it.
        let isContinued = isLooking
        if isContinued { from = max(from, now - Self.absence) }
        var busy = Duration.zero
        for (begin, end, day) in Self.days(from: from, to: now) {
            var usage = blank(day, sight.observation)
            for worker in sight.observation.workers {
                // Of one that was there before, the time that it was asked for may lie ahead of a clock that was set back.
                let from = wasBusy[worker.instance] == nil ? max(begin, sight.wantedAt[worker.instance] ?? begin) : begin
                guard from < end else { continue }
                let worked = busyTime(of: worker, from: from, to: end)
                usage.usedSeconds += end.since(from).seconds
                usage.busySeconds += worked.seconds
                busy += worked
            }
            usage.cost = usage.usedSeconds / 3600 * (scaling.price ?? 0)
            // While nobody looked, as when the server was down, there was no fleet that could have been on.
            if now.since(from) < Self.absence { usage.alwaysOnSeconds = end.since(begin).seconds * Double(scaling.max) }
            add(usage)
        }
        var usage = blank(Day(of: now), sight.observation)
        (usage.jobs, usage.runSeconds) = (ended.jobs, ended.run.seconds)
        add(usage)
        return isContinued ? busy : .zero
    }

    /// Counts the last moments of one that is gone.
    mutating func ended(_ instance: InstanceID, of endpoint: String, _ variant: String, price: Double?, at now: Timestamp) {
        guard let busy = wasBusy.removeValue(forKey: instance) else { return }
        countRest(busy, endpoint, variant, price, at: now)
    }

    /// Counts what is left of those that are there, when nobody looks any more.
    mutating func close(_ endpoint: String, _ variant: String, price: Double?, at now: Timestamp) {
        for busy in wasBusy.values { countRest(busy, endpoint, variant, price, at: now) }
        countedUntil = countedUntil.map { max($0, now) }
    }

    /// Of one worker, since the last look. While a server stops nobody looks, for as long as its workers take to drain.
    private mutating func countRest(_ busy: Bool, _ endpoint: String, _ variant: String, _ price: Double?, at now: Timestamp) {
        guard let from = countedUntil, from < now else { return }
        var usage = WorkerUsage(day: Day(of: now), endpoint: endpoint, variant: variant)
        usage.usedSeconds = now.since(from).seconds
        usage.busySeconds = busy ? usage.usedSeconds : 0
        usage.cost = usage.usedSeconds / 3600 * (price ?? 0)
        add(usage)
    }

    /// What was not given yet.
    mutating func take() -> [WorkerUsage] {
        defer { pending = [] }
        return pending.filter { !$0.isEmpty }
    }

    /// Takes back what was given and could not be kept.
    mutating func putBack(_ usage: [WorkerUsage]) {
        for usage in usage { pend(usage) }
    }

    private mutating func add(_ usage: WorkerUsage) {
        used[usage.day.number, default: 0] += usage.usedSeconds
        while used.count > Self.daysKept, let oldest = used.keys.min() { used[oldest] = nil }
        pend(usage)
    }

    private mutating func pend(_ usage: WorkerUsage) {
        if let index = pending.firstIndex(where: { $0.day == usage.day }) { pending[index] += usage } else { pending.append(usage) }
    }

    private func blank(_ day: Day, _ observation: VariantObservation) -> WorkerUsage {
        WorkerUsage(day: day, endpoint: observation.endpoint, variant: observation.variant)
    }

    /// One that changed between two looks did so at half of the time, unless it says since when it is idle.
    private func busyTime(of worker: VariantObservation.Worker, from: Timestamp, to: Timestamp) -> Duration {
        let before = wasBusy[worker.instance] ?? false
        switch worker.activity {
        case .starting: return .zero
        case .busy, .draining(holdsWork: true): return before ? to.since(from) : to.since(from) / 2
        case .draining(holdsWork: false): return before ? to.since(from) / 2 : .zero
        case .idle(let since):
            let worked = max(min(since, to).since(from), .zero)
            return before ? worked : worked / 2
        }
    }

    private static func days(from: Timestamp, to: Timestamp) -> [(Timestamp, Timestamp, Day)] {
        var (parts, begin): ([(Timestamp, Timestamp, Day)], Timestamp) = ([], from)
        while begin < to {
            let day = Day(of: begin)
            let end = min(day.end, to)
            parts.append((begin, end, day))
            begin = end
        }
        return parts
    }

    private static let absence: Duration = .seconds(60)
}

extension VariantObservation.Worker.Activity {
    var holdsWork: Bool { self == .busy || self == .draining(holdsWork: true) }
}
