import MillraceCore

extension InMemoryStore: ClockKeeper {
    public func lastChangeAt() async throws -> Timestamp? {
        read { state in state.entries.values.compactMap(\.events.last).max { $0.sequence < $1.sequence }?.at }
    }

    public func clockWasSetBack(by step: Duration) async throws {
        let now = surroundings.now()
        write { state in
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
            for (role, leader) in state.leaders { state.leaders[role]?.until = leader.until - step }
            state.arrivals = [:]
            state.topics.formUnion([.backlog, .delivery, .worker])
        }
    }
}
