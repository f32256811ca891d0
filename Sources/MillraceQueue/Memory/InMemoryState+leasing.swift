import MillraceCore

extension InMemoryState {
    /// Takes due jobs, priority by priority, each shared fairly between tenants.
    mutating func lease(_ demand: LeaseDemand, in surroundings: Surroundings) -> [Job] {
        let now = surroundings.now()
        var byTenant: [String: Int] = [:]
        for (lane, turn) in turns where lane.endpoint == demand.endpoint { byTenant[lane.tenant, default: 0] += turn.running }
        var room = TenantRoom(runningMax: demand.quotas.tenant.runningMax, running: byTenant)
        var left = demand.jobsMax
        if let limit = demand.quotas.endpoint.runningMax { left = min(left, limit - byTenant.values.reduce(0, +)) }
        var leased: [Job] = []
        for priority in (0...9).reversed() where left > 0 {
            var share = FairShare(candidates(demand, priority, at: now), room: room)
            let filled = share.fill(left) { take($1, from: $0, for: demand, at: now, in: surroundings) }
            for lane in share.served {
                lastTurn += 1
                turns[lane, default: .init()].last = lastTurn
            }
            leased += filled.found
            room = filled.room
            left -= filled.found.count
        }
        return leased
    }

    private func candidates(_ demand: LeaseDemand, _ priority: Int, at now: Timestamp) -> [FairShare<LaneKey>.Candidate] {
        queued.compactMap { key, list in
            guard key.endpoint == demand.endpoint, key.variant == demand.variant, key.priority == priority, !list.elements.isEmpty
            else { return nil }
            let turn = turns[key] ?? .init()
            guard turn.readyAt <= now else { return nil }
            return .init(lane: key, tenant: key.tenant, queued: list.elements.count, running: turn.running, turn: turn.last)
        }
    }

    private mutating func take(
        _ count: Int, from lane: LaneKey, for demand: LeaseDemand, at now: Timestamp, in surroundings: Surroundings
    ) -> [Job] {
        var taken: [JobTransition] = []
        for position in queued[lane]?.elements ?? [] {
            guard taken.count < count, position.runAt <= now else { break }
            guard let job = entries[position.id]?.job, let transition = JobTransition.lease(job, by: demand, in: surroundings)
            else { continue }
            taken.append(transition)
        }
        for transition in taken { apply(transition, at: now) }
        if taken.count < count { turns[lane]?.readyAt = queued[lane]?.elements.first?.runAt ?? Timestamp(milliseconds: .max) }
        return taken.map(\.job)
    }
}
