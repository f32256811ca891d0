import MillraceCore
import MillraceQueue

/// What a worker is told when it asks for work or sends a heartbeat.
struct LeaseGrant {
    var jobs: [Job] = []
    var isDraining = false
}

struct HeartbeatAnswer {
    var verdicts: [LeaseVerdict]
    var isDraining: Bool
}

// What workers ask of a gateway: the steps of `WorkerRoutes`, each call of the store an event of its own.
extension Gateway {
    func register(
        _ worker: WorkerID, endpoint: String, instance: String, startedAt: Timestamp, _ answer: @escaping World.Answer<Void>
    ) {
        let now = clock.now
        let record = WorkerRecord(
            id: worker, endpoint: endpoint, variant: "a", instance: instance, host: "simulated", processID: 1,
            startedAt: startedAt, seenAt: now, idleSince: now)
        ask(.register(record)) { try answer($0.map { _ in }) }
    }

    func deregister(_ worker: WorkerID, _ answer: @escaping World.Answer<Void>) {
        ask(.deregister(worker)) { try answer($0.map { _ in }) }
    }

    func abandon(_ worker: WorkerID, atRisk: Set<JobID>, _ answer: @escaping World.Answer<Void>) {
        ask(.abandon(worker, atRisk: atRisk, reason: "signal 9")) { try answer($0.map { _ in }) }
    }

    func lease(_ demand: LeaseDemand, sentAt: Int64, _ call: Call, _ answer: @escaping World.Answer<LeaseGrant>) {
        ask(.touch(demand.worker, readyAt: nil)) { [self] result in
            switch result.flag {
            case .failure(let error): try answer(.failure(error))
            case .success(true): try answer(.success(LeaseGrant(isDraining: true)))
            case .success(false): lease(demand, sentAt, call, until: world.now + Timing.leaseWait, answer)
            }
        }
    }

    /// Looks again until there is something, as `leaseWaiting` does. Who has hung up is given nothing.
    private func lease(
        _ demand: LeaseDemand, _ sentAt: Int64, _ call: Call, until end: Int64, _ answer: @escaping World.Answer<LeaseGrant>
    ) {
        guard !call.isHungUp else { return }
        ask(.lease(demand, sentAt: sentAt)) { [self] result in
            guard case .success(let jobs) = result.jobs else { return try answer(.failure(result.failure)) }
            if call.isHungUp { return giveBack(jobs) }
            if !jobs.isEmpty { return try answer(.success(LeaseGrant(jobs: jobs))) }
            guard world.now < end else { return try endWait(of: demand, answer) }
            after(world.dice.number(500...3_000)) { [self] in lease(demand.waitingOn, sentAt, call, until: end, answer) }
        }
    }

    private func endWait(of demand: LeaseDemand, _ answer: @escaping World.Answer<LeaseGrant>) throws {
        ask(.touch(demand.worker, readyAt: nil)) { try answer($0.flag.map { LeaseGrant(isDraining: $0) }) }
    }

    private func giveBack(_ jobs: [Job]) {
        let reports = jobs.compactMap { job in
            job.lease.map { AttemptReport(job: job.id, token: $0.token, outcome: .released(reason: "the worker went away")) }
        }
        if !reports.isEmpty { ask(.settle(reports)) { _ in } }
    }

    func heartbeat(_ worker: WorkerID, _ renewals: [LeaseRenewal], _ answer: @escaping World.Answer<HeartbeatAnswer>) {
        ask(.touch(worker, readyAt: clock.now)) { [self] result in
            switch result.flag {
            case .failure(let error): try answer(.failure(error))
            case .success(let isDraining):
                guard !renewals.isEmpty else { return try answer(.success(HeartbeatAnswer(verdicts: [], isDraining: isDraining))) }
                ask(.renew(renewals)) { result in
                    try answer(result.verdicts.map { HeartbeatAnswer(verdicts: $0, isDraining: isDraining) })
                }
            }
        }
    }

    /// A result whose bytes are not there is none.
    func settle(_ reports: [AttemptReport], _ answer: @escaping World.Answer<[LeaseVerdict]>) {
        let checked = reports.map { report in
            guard case .succeeded(let outputs, _) = report.outcome, !outputs.allSatisfy({ world.host.depot.has($0.blob) }) else {
                return report
            }
            var copy = report
            copy.outcome = .failed(JobFailure(.blobUnknown, "an output has no bytes", retryable: true))
            return copy
        }
        ask(.settle(checked)) { try answer($0.verdicts) }
    }

    func reserveOutput(_ job: JobID, _ token: LeaseToken, _ answer: @escaping World.Answer<BlobID>) {
        ask(.job(job)) { [self] result in
            guard case .success(let found) = result.job else { return try answer(.failure(result.failure)) }
            guard let found, found.lease?.token == token else {
                return try answer(.failure(MillraceError(.leaseLost, "the lease is lost")))
            }
            let blob = BlobRecord(id: clock.surroundings.makeID(), tenant: found.tenant, createdAt: clock.now, writer: job)
            ask(.reserve(blob)) { try answer($0.map { _ in blob.id }) }
        }
    }
}
