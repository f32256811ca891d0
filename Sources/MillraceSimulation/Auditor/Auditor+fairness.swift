import MillraceCore
import MillraceQueue

// Who had to be next: the promise of fairness, judged at each lease.
extension Auditor {
    /// What was due in a lane before a lease, the first to go at the front, and what was given of it.
    private struct AuditedLane {
        var due: [AuditedJob] = []
        var running = 0
        var given: [Job] = []
    }

    /// Whether a request for work was overtaken by a later one that was given something; else it is the last such one now, if it was.
    func noteRequest(of demand: LeaseDemand, given: Bool) -> Bool {
        guard let request = demand.request else { return false }
        if let last = requests[demand.worker], request < last || request == last && demand.held != nil {
            world.report.overtaken += 1
            return true
        }
        if given { requests[demand.worker] = request }
        return false
    }

    /// A worker gets as much as there is and may be, the highest priority first; no lane gets a place while another
    /// of its priority has less; in a lane the first goes first. So behind others' queues a tenant's single job is in the next
    /// batch of any worker, unless jobs of other tenants that have nothing running fill it.
    func expectFair(_ demand: LeaseDemand, _ leased: [Job], isOvertaken: Bool) throws {
        if modes[demand.endpoint] == .paused, let first = leased.first {
            throw Violation(.mode, first.id, "it was handed out although \(demand.endpoint) is paused")
        }
        let seen = seenAt[demand.worker] ?? Timestamp(milliseconds: 0)
        let isServed = !isOvertaken && workers[demand.worker] == false && seen + demand.duration > now && modes[demand.endpoint] != .paused
        if !leased.isEmpty { seenAt[demand.worker] = now }
        guard isServed else {
            if let first = leased.first { throw Violation(.lease, first.id, "it was given to a worker that is to be given none") }
            return
        }
        var (lanes, running) = lanes(for: demand)
        for job in leased { lanes[LaneKey(job), default: AuditedLane()].given.append(job) }
        let all = running.values.reduce(0, +)
        if let limit = demand.quotas.endpoint.runningMax, !leased.isEmpty, all + leased.count > limit {
            throw Violation(.quota, leased[0].id, "\(all + leased.count) jobs of \(demand.endpoint) run; \(limit) may")
        }
        var left = max(0, min(demand.jobsMax, demand.quotas.endpoint.runningMax.map { $0 - all } ?? demand.jobsMax))
        for (_, lanes) in Dictionary(grouping: lanes, by: \.key.priority).sorted(by: { $0.key > $1.key }) {
            let due = lanes.reduce(0) { $0 + min($1.value.due.count, room(of: $1.key.tenant, demand, running)) }
            let given = lanes.reduce(0) { $0 + $1.value.given.count }
            guard given == min(left, due) else {
                throw Violation(
                    .fairness, lanes.lazy.compactMap(\.value.due.first?.job.id).min(),
                    "\(given) jobs of priority \(lanes[0].key.priority) were handed out; \(min(left, due)) should have been")
            }
            left -= given
            for (key, lane) in lanes { running[key.tenant, default: 0] += lane.given.count }
            try expectShares(lanes, demand, running)
        }
    }

    private func lanes(for demand: LeaseDemand) -> ([LaneKey: AuditedLane], running: [String: Int]) {
        var lanes: [LaneKey: AuditedLane] = [:]
        var running: [String: Int] = [:]
        for id in open {
            guard let known = jobs[id], known.job.endpoint == demand.endpoint else { continue }
            if known.job.state == .running {
                running[known.job.tenant, default: 0] += 1
                lanes[LaneKey(known.job), default: AuditedLane()].running += 1
            } else if known.isDue(at: now), known.job.variant == demand.variant {
                lanes[LaneKey(known.job), default: AuditedLane()].due.append(known)
            }
        }
        for key in lanes.keys { lanes[key]?.due.sort { ($0.job.runAt, $0.order) < ($1.job.runAt, $1.order) } }
        return (lanes, running)
    }

    private func room(of tenant: String, _ demand: LeaseDemand, _ running: [String: Int]) -> Int {
        demand.quotas.tenant.runningMax.map { max(0, $0 - running[tenant, default: 0]) } ?? .max
    }

    private func expectShares(_ lanes: [(key: LaneKey, value: AuditedLane)], _ demand: LeaseDemand, _ running: [String: Int]) throws {
        for (key, lane) in lanes where !lane.given.isEmpty {
            guard Set(lane.given.map(\.id)) == Set(lane.due.prefix(lane.given.count).map(\.job.id)) else {
                throw Violation(.fairness, lane.due[0].job.id, "it was overtaken by a job of its own lane")
            }
            if let limit = demand.quotas.tenant.runningMax, running[key.tenant, default: 0] > limit {
                throw Violation(.quota, lane.given[0].id, "\(running[key.tenant, default: 0]) jobs of \(key.tenant) run; \(limit) may")
            }
        }
        let most = lanes.filter { !$0.value.given.isEmpty }.map { $0.value.running + $0.value.given.count - 1 }.max()
        guard let most else { return }
        for (key, lane) in lanes where lane.due.count > lane.given.count && room(of: key.tenant, demand, running) > 0 {
            guard most <= lane.running + lane.given.count else {
                throw Violation(
                    .fairness, lane.due[lane.given.count].job.id,
                    "a place went to a lane in which \(most) jobs ran, and in its own there ran \(lane.running + lane.given.count)")
            }
        }
    }
}
