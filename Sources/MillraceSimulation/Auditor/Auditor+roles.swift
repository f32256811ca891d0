import MillraceCore
import MillraceQueue

// What only one may do, and what it does to many: roles, epochs, a clock that was set back, jobs by filter.
extension Auditor {
    private func isCurrent(_ leader: Leadership) -> Bool {
        guard let held = leaders[leader.role] else { return false }
        return held.epoch == leader.epoch && held.candidate == leader.candidate && held.until > now
    }

    /// A write counts only while its epoch lasts.
    func expectEpoch(of call: StoreCall) throws {
        guard let leader = call.leader, !isCurrent(leader) else { return }
        throw Violation(.leadership, nil, "\(call.name) counted, and its epoch \(leader.epoch) was over")
    }

    /// A write whose epoch is over is refused, and changes nothing.
    func refusedEpoch(of call: StoreCall) async throws {
        guard let leader = call.leader, !isCurrent(leader) else {
            throw Violation(.leadership, nil, "\(call.name) was refused to who leads")
        }
        world.report.staleEpochs += 1
        try await sweep()
    }

    func led(_ role: LeadershipRole, _ candidate: CandidateID, _ duration: Duration, _ granted: Leadership?) throws {
        let held = leaders[role]
        let isFree = held.map { $0.until <= now || $0.until.since(now) > duration } ?? true
        guard isFree || held?.candidate == candidate else {
            if granted != nil { throw Violation(.leadership, nil, "\(role.rawValue) was given to a second leader") }
            return
        }
        let epoch = held.map { $0.candidate == candidate ? $0.epoch : $0.epoch + 1 } ?? 1
        let must = Leadership(role: role, candidate: candidate, epoch: epoch, until: now + duration)
        guard granted == must else { throw Violation(.leadership, nil, "\(role.rawValue) was not given as it must be") }
        leaders[role] = must
    }

    func resigned(_ leadership: Leadership) {
        guard let held = leaders[leadership.role], held.epoch == leadership.epoch, held.candidate == leadership.candidate else { return }
        leaders[leadership.role]?.until = min(held.until, now)
    }

    /// What is due in the future came nearer, and nothing else has changed.
    func clockWasSetBack(_ step: Duration, _ leader: Leadership?) async throws {
        world.note("store", "is told that the clock was set back", number: step.milliseconds)
        for id in open { jobs[id]?.clockWasSetBack(by: step, at: now) }
        for (id, known) in deliveries where known.isPending && known.availableAt > now {
            deliveries[id]?.availableAt = known.availableAt - step
        }
        for (role, held) in leaders where role != leader?.role { leaders[role]?.until = held.until - step }
        for (worker, seen) in seenAt { seenAt[worker] = min(seen, now) }
        buckets = [:]
        try await sweep()
    }

    // MARK: Many at once

    func cancelled(_ filter: JobFilter, _ limit: Int, _ count: Int) async throws {
        let meant = oldest(filter.limited(to: .living)).filter { $0.job.state == .queued || $0.job.cancelRequestedAt == nil }
        try await controlled(meant.prefix(limit).map(\.job.id), count) { $0.cancel() }
    }

    func redriven(_ filter: JobFilter, _ limit: Int, _ count: Int) async throws {
        var filter = filter
        filter.states = filter.states ?? [.failed]
        try await controlled(oldest(filter).prefix(limit).map(\.job.id), count) { $0.retry(at: self.now) }
    }

    private func oldest(_ filter: JobFilter) -> [AuditedJob] {
        jobs.values.filter { filter.matches($0.job) }.sorted { $0.order < $1.order }
    }

    private func controlled(_ ids: [JobID], _ count: Int, _ rule: (inout AuditedJob) -> Void) async throws {
        guard ids.count == count else { throw Violation(.store, ids.first, "\(count) jobs were changed by filter; \(ids.count) match") }
        for id in ids { try change(id, rule) }
        for id in ids { try await lookAt(id, "controlled by filter") }
    }
}
