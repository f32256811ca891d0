import MillraceCore

extension InMemoryStore: ClockKeeper {
    public func lastChangeAt() async throws -> Timestamp? {
        read { state in
            let job = state.order.elements.last.flatMap { state.entries[$0.id]?.job.createdAt }
            return [state.rescuedAt, state.workers.values.map(\.seenAt).max(), job].compactMap(\.self).max()
        }
    }

    public func clockWasSetBack(by step: Duration, as leader: Leadership?) async throws {
        let now = surroundings.now()
        try write { state in
            try state.check(leader, at: surroundings.now())
            for job in state.entries.values.map(\.job) where job.state == .queued || job.state == .running {
                state.replace(job, by: job.withClockSetBack(by: step, now: now))
            }
            for (id, outgoing) in state.deliveries where outgoing.delivery.state == .pending && outgoing.availableAt > now {
                state.deliveries[id]?.availableAt = outgoing.availableAt - step
                state.deliveries[id]?.delivery.dueAt = outgoing.delivery.dueAt - step
            }
            for (id, worker) in state.workers {
                state.workers[id]?.seenAt = min(worker.seenAt, now)
                state.workers[id]?.idleSince = min(worker.idleSince, now)
            }
            for (role, held) in state.leaders where role != leader?.role { state.leaders[role]?.until = held.until - step }
            state.rescuedAt = state.rescuedAt.map { _ in now }
            state.arrivals = [:]
            state.topics.formUnion([.backlog, .delivery, .worker])
        }
    }
}
