import MillraceCore

extension InMemoryStore: WorkerRegistry {
    public func register(_ worker: WorkerRecord) async throws {
        write { state in
            var worker = worker
            // Whoever has been told to go does not come back by saying hello again.
            worker.draining = worker.draining || state.workers[worker.id]?.draining ?? false
            if state.workers[worker.id]?.startedAt != worker.startedAt { state.lastRequests[worker.id] = nil }
            state.workers[worker.id] = worker
            state.topics.insert(.worker)
        }
    }

    public func touch(_ worker: WorkerID, readyAt: Timestamp?) async throws -> Bool {
        try write { state in
            guard var record = state.workers[worker] else { throw MillraceError.workerMissing(worker) }
            if record.readyAt != readyAt, readyAt != nil { state.topics.insert(.worker) }
            record.seenAt = surroundings.now()
            record.readyAt = readyAt ?? record.readyAt
            state.workers[worker] = record
            return record.draining
        }
    }

    public func drain(_ workers: [WorkerID], by leader: Leadership?) async throws {
        try write { state in
            try state.check(leader, at: surroundings.now())
            for id in workers where state.workers[id]?.draining == false {
                state.workers[id]?.draining = true
                state.topics.insert(.worker)
            }
        }
    }

    public func recall(_ workers: [WorkerID]) async throws {
        write { state in
            for id in workers where state.workers[id] != nil {
                state.workers[id]?.draining = true
                for job in state.runningByExpiry(where: { $0.lease?.worker == id }) {
                    if let transition = JobTransition.giveBack(job, in: surroundings) { state.apply(transition, at: surroundings.now()) }
                }
                state.topics.insert(.worker)
            }
        }
    }

    public func deregister(_ worker: WorkerID) async throws {
        write { state in
            for job in state.runningByExpiry(where: { $0.lease?.worker == worker }) {
                if let transition = JobTransition.giveBack(job, in: surroundings) { state.apply(transition, at: surroundings.now()) }
            }
            state.lastRequests[worker] = nil
            if state.workers.removeValue(forKey: worker) != nil { state.topics.insert(.worker) }
        }
    }

    public func workers() async throws -> [WorkerRecord] {
        read { state in state.workers.values.map(state.counted).sorted { $0.id < $1.id } }
    }

    public func removeWorkers(notSeenSince: Timestamp, by leader: Leadership?) async throws -> [WorkerRecord] {
        try write { state in
            try state.check(leader, at: surroundings.now())
            let gone = state.workers.values.filter { $0.seenAt < notSeenSince }.map(state.counted).sorted { $0.id < $1.id }
            for worker in gone { (state.workers[worker.id], state.lastRequests[worker.id]) = (nil, nil) }
            if !gone.isEmpty { state.topics.insert(.worker) }
            return gone
        }
    }
}

extension InMemoryState {
    fileprivate func counted(_ worker: WorkerRecord) -> WorkerRecord {
        var worker = worker
        worker.jobsHeld = running.count { entries[$0]?.job.lease?.worker == worker.id }
        return worker
    }
}

extension InMemoryStore: DeliveryStore {
    public func claimDeliveries(limit: Int, for duration: Duration) async throws -> [Delivery] {
        write { state in
            let now = surroundings.now()
            let due = state.deliveries.values
                .filter { $0.delivery.state == .pending && $0.availableAt <= now }
                .sorted { ($0.availableAt, $0.delivery.id) < ($1.availableAt, $1.delivery.id) }
                .prefix(max(limit, 0))
            return due.map { outgoing in
                var outgoing = outgoing
                outgoing.delivery.claim = surroundings.makeID()
                outgoing.availableAt = now + duration
                state.deliveries[outgoing.delivery.id] = outgoing
                return outgoing.delivery
            }
        }
    }

    public func record(_ attempt: DeliveryAttempt, of delivery: DeliveryID, claim: LeaseToken, next: Timestamp?) async throws -> Bool {
        write { state in
            guard var outgoing = state.deliveries[delivery], outgoing.delivery.isHeld(by: claim) else { return false }
            outgoing.delivery.record(attempt, next: next)
            outgoing.availableAt = outgoing.delivery.dueAt
            state.deliveries[delivery] = outgoing
            state.topics.formUnion([.delivery, .job(outgoing.delivery.snapshot.id)])
            return true
        }
    }

    public func deliveries(of job: JobID) async throws -> [Delivery] {
        read { state in
            state.deliveries.values.filter { $0.delivery.snapshot.id == job }.map(\.delivery)
                .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        }
    }

    public func nextDeliveryAt() async throws -> Timestamp? {
        read { $0.deliveries.values.filter { $0.delivery.state == .pending }.map(\.availableAt).min() }
    }
}
