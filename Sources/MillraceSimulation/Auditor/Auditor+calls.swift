import MillraceCore
import MillraceQueue

// What each call of the store must have done.
extension Auditor {
    func answered(_ call: StoreCall, _ reply: StoreReply, by asker: Party) async throws {
        lastSequence = newSequences.max() ?? lastSequence
        newSequences.removeAll(keepingCapacity: true)
        try expectEpoch(of: call)
        if let leader = call.leader { world.note(asker.name, "as leader: " + call.name, number: leader.epoch) }
        switch (call, reply) {
        case (.admit(let jobs, let quotas), .admissions(let admissions)): try await admitted(jobs, admissions, quotas)
        case (.lease(let demand, let sentAt), .jobs(let jobs)): try await leased(demand, jobs, sentAt)
        case (.renew(let renewals), .verdicts(let verdicts)): try await renewed(renewals, verdicts, by: asker)
        case (.settle(let reports), .verdicts(let verdicts)): try await settled(reports, verdicts, by: asker)
        case (.rescue, .jobs(let jobs)): try await rescued(jobs, by: asker)
        case (.abandon(let worker, let atRisk, _), .jobs(let jobs)): try await abandoned(worker, atRisk, jobs)
        case (.cancel(let id), .job(let job)): try await controlled(id, job) { $0.cancel() }
        case (.retry(let id), .job(let job)): try await controlled(id, job) { $0.retry(at: self.now) }
        case (.job(let id), .job(let job)): try expectSame(id, job)
        case (.cancelMatching(let filter, let limit), .count(let count)): try await cancelled(filter, limit, count)
        case (.redriveMatching(let filter, let limit), .count(let count)): try await redriven(filter, limit, count)
        case (.prune(let endpoint, let time, let limit, _), .count(let count)): try await prunedJobs(endpoint, at: time, limit, count)
        case (.clockWasSetBack(let step, let leader), _): try await clockWasSetBack(step, leader)
        case (.deregister(let worker), _): try await goneByItself(worker)
        default: try answeredOnTheSide(call, reply)
        }
    }

    /// The store refused: nothing has changed. Only what the seam says may be refused.
    func refused(_ call: StoreCall, _ error: MillraceError, by asker: Party) async throws {
        world.note(asker.name, call.name + " refused", note: error.code.rawValue)
        switch (call, error.code) {
        case (.lease(let demand, _), .workerUnknown) where workers[demand.worker] == nil: break
        case (.touch(let worker, _), .workerUnknown) where workers[worker] == nil: break
        case (.retry(let id), .stateConflict):
            guard let state = jobs[id]?.job.state, !state.isFinal || state == .succeeded else {
                throw Violation(.store, id, "a retry was refused that is allowed: \(error)")
            }
            try await expectUntouched(id)
        case (.reserve(let blob), .stateConflict) where blobs[blob.id] != nil: break
        case (_, .leadershipLost): try await refusedEpoch(of: call)
        default: throw Violation(.store, nil, "\(call.name) failed: \(error)")
        }
    }

    // MARK: Admission

    private func admitted(_ new: [NewJob], _ admissions: [Admission], _ quotas: EndpointQuotas) async throws {
        guard new.count == admissions.count else { throw Violation(.store, nil, "verdicts are missing") }
        for (new, admission) in zip(new, admissions) {
            let key = new.idempotency.map { IdempotencyKey(tenant: new.job.tenant, key: $0.key) }
            let known = key.flatMap { keys[$0] }
            switch admission {
            case .admitted(let job):
                guard known == nil else { throw Violation(.idempotency, known, "its key was given to a second job, \(job.id)") }
                guard job.id == new.job.id, jobs[job.id] == nil else { throw Violation(.store, job.id, "another job was admitted") }
                guard job.isTheSameRequest(as: new.job) else { throw Violation(.lost, job.id, "it is not what was asked for") }
                try letIn(job, quotas)
                add(job, new)
                try await lookAt(job.id, "admitted")
            case .existing(let job):
                guard job.id == known, jobs[job.id]?.idempotency == new.idempotency else {
                    throw Violation(.idempotency, job.id, "a repetition was answered with another job")
                }
                try expectSame(job.id, job)
            case .conflict(let id):
                guard id == known, jobs[id]?.idempotency != new.idempotency else {
                    throw Violation(.idempotency, id, "a request was refused for a conflict that is none")
                }
            case .refused(let error):
                guard known == nil else { throw Violation(.idempotency, known, "a repetition was refused: \(error)") }
                try await turnedAway(new.job, error, quotas)
            }
        }
    }

    // MARK: Leases

    private func leased(_ demand: LeaseDemand, _ leased: [Job], _ sentAt: Int64) async throws {
        var touched: Set<JobID> = []
        let who = world.workers.first { $0.id == demand.worker }?.name ?? "a worker that is gone"
        world.note(who, "is given work", number: Int64(leased.count))
        let isOvertaken = noteRequest(of: demand, given: !leased.isEmpty)
        for id in isOvertaken ? [] : try unknown(to: demand) {
            try change(id) { $0.giveBack(at: now) }
            touched.insert(id)
        }
        if isOvertaken, !leased.isEmpty { throw Violation(.lease, leased[0].id, "it was given to a request that was overtaken") }
        try expectFair(demand, leased, isOvertaken: isOvertaken)
        guard leased.count <= max(demand.jobsMax, 0) else { throw Violation(.lease, nil, "more jobs than were asked for") }
        if !leased.isEmpty, workers[demand.worker] != false {
            throw Violation(.lease, leased[0].id, "work was given to a worker that drains or is not known")
        }
        for job in leased {
            try granted(job, demand)
            touched.insert(job.id)
        }
        for id in touched.sorted() { try await lookAt(id, "leased") }
    }

    private func granted(_ job: Job, _ demand: LeaseDemand) throws {
        guard let known = jobs[job.id] else { throw Violation(.store, job.id, "a job was leased that was never taken in") }
        guard known.job.state == .queued else {
            throw Violation(.lease, job.id, "it was handed out while it was \(known.job.state.rawValue)")
        }
        guard known.job.runAt <= now else { throw Violation(.lease, job.id, "it was handed out before its time") }
        if known.isPastItsTime(at: now) {
            throw Violation(.lease, job.id, "it was handed out past its time to live or its deadline")
        }
        guard job.endpoint == demand.endpoint, job.variant == demand.variant else {
            throw Violation(.lease, job.id, "it was handed out to a worker of another endpoint")
        }
        guard job.input == known.input else { throw Violation(.lost, job.id, "its input is not what was given") }
        guard let token = job.lease?.token, tokens.insert(token).inserted else {
            throw Violation(.fence, job.id, "its lease has no token of its own")
        }
        try change(job.id) { $0.lease(token, by: demand, at: now, world.now) }
    }

    /// The leases that the worker does not know of, which go back. One that it does hold must not.
    private func unknown(to demand: LeaseDemand) throws -> [JobID] {
        guard let held = demand.held else { return [] }
        let unknown = (running[demand.worker] ?? []).filter { jobs[$0]?.job.lease.map { !held.contains($0.token) } ?? false }.sorted()
        for id in unknown {
            guard let known = jobs[id], let token = known.job.lease?.token, isHeld(token, by: demand.worker) else { continue }
            throw Violation(.lease, id, "its lease was given back under the hands of the worker that holds it")
        }
        return unknown
    }

    private static let heartbeat = "a heartbeat"

    private func renewed(_ renewals: [LeaseRenewal], _ verdicts: [LeaseVerdict], by asker: Party) async throws {
        var touched: Set<JobID> = []
        for (renewal, verdict) in zip(renewals, verdicts) {
            let isCurrent = try expectFence(renewal.job, renewal.token, verdict, Self.heartbeat, by: asker)
            touched.insert(renewal.job)
            if isCurrent { try expectTime(renewal.job, verdict) }
            if isCurrent { try change(renewal.job) { $0.renew(renewal, at: now, world.now, isThere: mayBeUsed) } }
        }
        for id in touched.sorted() { try await lookAt(id, "renewed") }
    }

    private func settled(_ reports: [AttemptReport], _ verdicts: [LeaseVerdict], by asker: Party) async throws {
        var touched: Set<JobID> = []
        for (report, verdict) in zip(reports, verdicts) {
            let isCurrent = try expectFence(report.job, report.token, verdict, "a report", by: asker)
            touched.insert(report.job)
            if isCurrent { try change(report.job) { $0.settle(report.outcome, at: now, isThere: mayBeUsed) } }
        }
        for id in touched.sorted() { try await lookAt(id, "settled") }
    }

    /// A heartbeat is told that the run limit or the deadline has passed when, and only when, it has.
    private func expectTime(_ id: JobID, _ verdict: LeaseVerdict) throws {
        guard let known = jobs[id], known.job.cancelRequestedAt == nil else { return }
        guard (verdict == .timeout) == known.isOverTime(at: now) else {
            throw Violation(.lease, id, "a heartbeat was told \(verdict.rawValue) about its run limit and deadline")
        }
    }

    /// A write counts when, and only when, it carries the token of the job's current lease.
    private func expectFence(
        _ id: JobID, _ token: LeaseToken, _ verdict: LeaseVerdict, _ what: String, by asker: Party
    ) throws -> Bool {
        let isCurrent = jobs[id]?.job.lease?.token == token
        world.note(asker.name, "passes on \(what): \(verdict.rawValue)", job: id)
        if isCurrent, verdict == .lost { throw Violation(.fence, id, "\(what) of the lease's holder was refused") }
        if !isCurrent, jobs[id]?.job.state == .running { world.report.staleWrites += 1 }
        if !isCurrent, verdict != .lost { throw Violation(.fence, id, "\(what) with a stale token was taken") }
        if verdict == .cancel, jobs[id]?.job.cancelRequestedAt == nil {
            throw Violation(.lease, id, "\(what) was told of a cancellation that nobody asked for")
        }
        if verdict == .held, what == Self.heartbeat, jobs[id]?.job.cancelRequestedAt != nil {
            throw Violation(.lease, id, "\(what) was not told that the job is to be cancelled")
        }
        return isCurrent
    }

    // MARK: What ends leases from outside

    private func rescued(_ rescued: [Job], by asker: Party) async throws {
        for job in rescued {
            guard let known = jobs[job.id] else { throw Violation(.store, job.id, "a job was rescued that was never taken in") }
            switch known.job.state {
            case .running:
                try expectRunOut(known, by: asker)
                try change(job.id) { $0.crash(at: now) }
            case .queued:
                guard known.isPastItsTime(at: now) else {
                    throw Violation(.transition, job.id, "it expired before its time")
                }
                try change(job.id) { $0.expire() }
            default: throw Violation(.transition, job.id, "it was rescued although it is \(known.job.state.rawValue)")
            }
        }
        for job in rescued {
            try await lookAt(job.id, "rescued")
            try expectSame(job.id, job)
        }
    }

    private func abandoned(_ worker: WorkerID, _ atRisk: Set<JobID>, _ ended: [Job]) async throws {
        guard Set(ended.map(\.id)) == running[worker] ?? [] else {
            throw Violation(.lease, ended.first?.id, "not all that a dead worker held was taken back, or more")
        }
        let isKnown = ended.contains { atRisk.contains($0.id) }
        for job in ended {
            try change(job.id) { !isKnown || atRisk.contains(job.id) ? $0.crash(at: now) : $0.giveBack(at: now) }
        }
        for job in ended { try await lookAt(job.id, "taken back") }
    }

    private func goneByItself(_ worker: WorkerID) async throws {
        let held = (running[worker] ?? []).sorted()
        forgetWorker(worker)
        for id in held { try change(id) { $0.giveBack(at: now) } }
        for id in held { try await lookAt(id, "given back") }
    }

    // MARK: Control

    private func controlled(_ id: JobID, _ answer: Job?, _ rule: (inout AuditedJob) -> Void) async throws {
        guard jobs[id] != nil else {
            guard answer == nil else { throw Violation(.store, id, "it is not there, and was found") }
            return
        }
        try change(id, rule)
        if jobs[id]?.job.state == .queued { open.insert(id) }
        try await lookAt(id, "controlled")
        try expectSame(id, answer)
    }

    private func expectSame(_ id: JobID, _ job: Job?) throws {
        guard jobs[id]?.job == job else {
            if job == nil { throw Violation(.lost, id, "the store does not know it any more") }
            throw Violation(.store, id, "the store's answer is not the job as it is")
        }
    }
}
