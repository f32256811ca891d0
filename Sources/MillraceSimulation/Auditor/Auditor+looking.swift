import MillraceCore
import MillraceQueue

// Comparing the auditor's picture with the store.
extension Auditor {
    /// Reads a job after a call that was about it, and compares it with what it must be now.
    func lookAt(_ id: JobID, _ what: String) async throws {
        guard let known = jobs[id] else {
            guard try await store.job(id) == nil else { throw Violation(.store, id, "it came back") }
            return
        }
        guard let job = try await store.job(id) else { throw Violation(.lost, id, "it vanished when it was \(what)") }
        try expect(job, known, what)
        let before = try await takeEvents(of: known, job)
        note(known, job)
        guard known.steps > 0 else { return }
        if job.state.isFinal, before != job.state || known.steps > 0 { try await ended(job) }
    }

    private func expect(_ job: Job, _ known: AuditedJob, _ what: String) throws {
        let id = job.id
        var must = known.job
        if known.mayFailInstead, job.state == .failed { must.state = .failed }
        guard job.state == must.state else {
            throw Violation(.transition, id, "\(what): it is \(job.state.rawValue) and must be \(must.state.rawValue)")
        }
        guard job.attempt == must.attempt, job.crashes == must.crashes, job.leases == must.leases else {
            throw Violation(
                .transition, id,
                "\(what): attempt \(job.attempt), crashes \(job.crashes), leases \(job.leases); "
                    + "they must be \(must.attempt), \(must.crashes), \(must.leases)")
        }
        guard job.outputs == must.outputs, job.inlineOutputs == must.inlineOutputs, job.checkpoint == must.checkpoint else {
            throw Violation(.lost, id, "\(what): its result or its checkpoint is not what was reported")
        }
        guard job.isTheSameRequest(as: must) else { throw Violation(.lost, id, "\(what): it is not what was asked for any more") }
        guard job.lease == must.lease else { throw Violation(.lease, id, "\(what): its lease is not what it must be") }
        try expectTimes(of: job, must, known, what)
        guard (job.finishedAt != nil) == job.state.isFinal else { throw Violation(.transition, id, "\(what): finishedAt is wrong") }
        guard job.attempt <= job.retry.attemptsMax, job.crashes <= job.retry.crashesMax, job.attempt >= 0 else {
            throw Violation(.transition, id, "\(what): more attempts or crashes than its policy allows")
        }
        if known.steps == 0, !known.mayHaveNews, job != must {
            throw Violation(.fence, id, "\(what): a write that counts for nothing changed it")
        }
    }

    private func expectTimes(of job: Job, _ must: Job, _ known: AuditedJob, _ what: String) throws {
        guard job.deadline == must.deadline, job.expiresAt == must.expiresAt else {
            throw Violation(.transition, job.id, "\(what): its deadline or its time to live is not what it must be")
        }
        guard job.state == .queued else { return }
        let range = known.runAtRange ?? must.runAt...must.runAt
        guard range.contains(job.runAt) else {
            throw Violation(
                .transition, job.id,
                "\(what): it may run \(job.runAt.since(now).milliseconds) ms from now, and must \(range.lowerBound.since(now).milliseconds) "
                    + "to \(range.upperBound.since(now).milliseconds)")
        }
    }

    /// Reads the new events: their numbers grow, and their states follow the arrows.
    private func takeEvents(of known: AuditedJob, _ job: Job) async throws -> JobState {
        var state = known.stateBefore
        var changes = 0
        for event in try await store.events(of: job.id, after: known.lastSequence, limit: 10_000) {
            guard event.sequence > lastSequence, newSequences.insert(event.sequence).inserted else {
                throw Violation(.transition, job.id, "event \(event.sequence) came after \(lastSequence)")
            }
            jobs[job.id]?.lastSequence = event.sequence
            eventsEver += 1
            guard case .state(let change) = event.detail else { continue }
            changes += 1
            world.note("store", "says \(change.state.rawValue)", job: job.id, number: Int64(change.attempt), note: change.reason)
            if let before = state, !before.mayBecome(change.state) {
                throw Violation(.transition, job.id, "it went from \(before.rawValue) to \(change.state.rawValue)")
            }
            state = change.state
        }
        guard changes == known.steps else {
            throw Violation(.transition, job.id, "\(changes) changes are written down; there were \(known.steps)")
        }
        guard changes == 0 || state == job.state else {
            throw Violation(.transition, job.id, "the last event is not the state that it has")
        }
        return known.stateBefore ?? job.state
    }

    /// Keeps what was seen.
    private func note(_ known: AuditedJob, _ job: Job) {
        if let worker = known.runsAt { running[worker]?.remove(job.id) }
        if let worker = job.lease?.worker { running[worker, default: []].insert(job.id) }
        jobs[job.id]?.job = job
        jobs[job.id]?.steps = 0
        jobs[job.id]?.mayHaveNews = false
        jobs[job.id]?.runAtRange = nil
        jobs[job.id]?.mayFailInstead = false
        jobs[job.id]?.stateBefore = job.state
        jobs[job.id]?.runsAt = job.lease?.worker
        if job.state.isFinal { open.remove(job.id) } else { open.insert(job.id) }
    }

    /// A final state with a callback has one webhook, written with it.
    private func ended(_ job: Job) async throws {
        jobs[job.id]?.ends += 1
        ends[Auditor.DeliveredEnd(job), default: 0] += 1
        guard job.callback != nil, let known = jobs[job.id] else { return }
        let found = try await store.deliveries(of: job.id)
        let new = found.filter { !known.deliveries.contains($0.id) }
        guard !new.isEmpty else { throw Violation(.webhook, job.id, "it ended, and no webhook was written") }
        guard new.count == 1, found.count == known.ends else {
            throw Violation(.doubled, job.id, "\(found.count) webhooks for \(known.ends) ends")
        }
        guard new[0].snapshot == job, new[0].event == "job.\(job.state.rawValue)", new[0].state == .pending else {
            throw Violation(.webhook, job.id, "its webhook tells something else")
        }
        jobs[job.id]?.deliveries.append(new[0].id)
        deliveries[new[0].id] = AuditedDelivery(job: job.id, availableAt: new[0].dueAt)
        deliveriesEver[new[0].id] = job.id
        waitingDeliveries.insert(new[0].id)
    }

    func expectUntouched(_ id: JobID) async throws {
        guard let known = jobs[id] else { return }
        guard try await store.job(id) == known.job else { throw Violation(.store, id, "a refused call changed it") }
    }

    /// Looks at everything: what no call was about must not have changed.
    func sweep() async throws {
        guard !world.host.isDown else { return }
        let found = try await store.jobs(matching: JobFilter(), after: nil, limit: 1_000_000)
        var seen: Set<JobID> = []
        for job in found {
            seen.insert(job.id)
            guard let known = jobs[job.id] else { throw Violation(.store, job.id, "it came back, or from nowhere") }
            guard known.job == job else {
                let isFence = known.job.state.isFinal && !job.state.isFinal
                throw Violation(isFence ? .transition : .store, job.id, "it changed behind everybody's back: \(known.job.state.rawValue), now \(job.state.rawValue)")
            }
            for file in job.blobsUsed { try await expectBlob(file.blob, of: job) }
        }
        if let lost = jobs.keys.filter({ !seen.contains($0) }).min() { throw Violation(.lost, lost, "it vanished") }
        try await sweepBacklog()
    }

    private func expectBlob(_ blob: BlobID, of job: Job) async throws {
        guard let record = try await store.blob(blob), record.state == .stored else {
            throw Violation(.blob, job.id, "its blob \(blob) was collected")
        }
        guard world.host.depot.has(blob) else { throw Violation(.blob, job.id, "the bytes of its blob \(blob) are gone") }
    }

    private func sweepBacklog() async throws {
        try await sweepLanes()
        let backlog = try await store.backlog()
        let queued = backlog.reduce(0) { $0 + $1.ready + $1.scheduled }
        let busy = backlog.reduce(0) { $0 + $1.running }
        let states = jobs.values.map(\.job.state)
        guard queued == states.count(where: { $0 == .queued }), busy == states.count(where: { $0 == .running }) else {
            throw Violation(.store, nil, "the backlog counts \(queued) queued and \(busy) running jobs, and there are others")
        }
    }

    private func sweepLanes() async throws {
        for endpoint in JobSpec.endpoints {
            var lanes: [LaneKey: Lane] = [:]
            for job in jobs.values.map(\.job) where job.endpoint == endpoint && !job.state.isFinal {
                let key = LaneKey(job)
                lanes[key, default: Lane(key: key, queued: 0, running: 0)].count(job)
            }
            guard try await store.lanes(of: endpoint) == lanes.values.sorted(by: { $0.key < $1.key }) else {
                throw Violation(.store, nil, "the lanes of \(endpoint) are not what is in them")
            }
            let failed = JobFilter(endpoint: endpoint, states: [.failed])
            guard try await store.count(matching: failed) == jobs.values.count(where: { failed.matches($0.job) }) else {
                throw Violation(.store, nil, "the failed jobs of \(endpoint) are miscounted")
            }
        }
    }

    /// Every webhook that was written is there, and no other.
    func sweepDeliveries() async throws {
        guard !world.host.isDown else { return }
        for (id, known) in jobs where !known.deliveries.isEmpty {
            let found = Set(try await store.deliveries(of: id).map(\.id))
            guard found == Set(known.deliveries) else {
                throw Violation(found.count > known.deliveries.count ? .doubled : .webhook, id, "its webhooks changed behind everybody's back")
            }
        }
    }
}

extension Lane {
    fileprivate mutating func count(_ job: Job) {
        if job.state == .queued { queued += 1 } else { running += 1 }
    }
}
