import MillraceCore

extension InMemoryStore: JobStore {
    public func admit(_ jobs: [NewJob]) async throws -> [Admission] {
        try write { state in
            try state.checkAdmission(of: jobs)
            return jobs.map { new in
                if let known = state.known(new) { return known }
                let transition = JobTransition.admit(new.job)
                state.order.insert(new.job.id)
                state.apply(transition, at: surroundings.now())
                if let idempotency = new.idempotency {
                    state.entries[new.job.id]?.idempotency = idempotency
                    state.idempotency[.init(tenant: new.job.tenant, key: idempotency.key)] = new.job.id
                }
                return .admitted(transition.job)
            }
        }
    }

    public func job(_ id: JobID) async throws -> Job? {
        read { $0.entries[id]?.job.withoutInput }
    }

    public func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job] {
        read { state in
            let end = cursor.map { state.order.index(of: $0) } ?? state.order.elements.count
            return Array(
                state.order.elements[..<end].reversed().lazy
                    .compactMap { state.entries[$0]?.job.withoutInput }
                    .filter { filter.matches($0) }
                    .prefix(limit))
        }
    }

    public func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent] {
        read { Array(($0.entries[job]?.events ?? []).lazy.filter { $0.sequence > sequence }.prefix(limit)) }
    }

    public func backlog() async throws -> [VariantBacklog] {
        let now = surroundings.now()
        return read { state in
            var found: [Variant: VariantBacklog] = [:]
            for (variant, list) in state.queued {
                for position in list.elements {
                    found[variant, default: .init(variant)].count(position.runAt, at: now)
                }
            }
            for id in state.running {
                guard let job = state.entries[id]?.job else { continue }
                let variant = Variant(endpoint: job.endpoint, name: job.variant)
                found[variant, default: .init(variant)].running += 1
            }
            return found.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    public func lease(_ demand: LeaseDemand) async throws -> [Job] {
        try write { state in
            guard let worker = state.workers[demand.worker] else { throw MillraceError.workerMissing(demand.worker) }
            let now = surroundings.now()
            for job in state.runningByExpiry(where: { $0.lease?.worker == demand.worker }) {
                guard let transition = JobTransition.giveBack(job, unknownTo: demand, in: surroundings) else { continue }
                state.apply(transition, at: now)
            }
            guard !worker.draining, demand.jobsMax > 0, worker.seenAt + demand.duration > now else { return [] }
            var taken: [JobTransition] = []
            for position in state.queued[Variant(endpoint: demand.endpoint, name: demand.variant)]?.elements ?? [] {
                guard taken.count < demand.jobsMax else { break }
                guard position.runAt <= now, let job = state.entries[position.id]?.job,
                    let transition = JobTransition.lease(job, by: demand, in: surroundings)
                else { continue }
                taken.append(transition)
            }
            for transition in taken { state.apply(transition, at: now) }
            if !taken.isEmpty { state.workers[demand.worker]?.seenAt = now }
            return taken.map(\.job)
        }
    }

    public func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict] {
        write { state in
            renewals.map { renewal in
                guard let job = state.entries[renewal.job]?.job else { return .lost }
                let (transition, verdict) = JobTransition.renew(
                    job, with: renewal.checked(isThere: state.blobIsThere), in: surroundings)
                if let transition { state.apply(transition, at: surroundings.now()) }
                return verdict
            }
        }
    }

    public func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] {
        write { state in
            reports.map { report in
                guard let job = state.entries[report.job]?.job else { return .lost }
                let (transition, verdict) = JobTransition.settle(
                    job, with: report.checked(isThere: state.blobIsThere), in: surroundings)
                if let transition { state.apply(transition, at: surroundings.now()) }
                return verdict
            }
        }
    }

    public func rescue(limit: Int) async throws -> [Job] {
        write { state in
            let now = surroundings.now()
            let dead = state.runningByExpiry { $0.lease!.expiresAt <= now }
            let late = state.queued.values
                .flatMap { $0.elements.compactMap { state.entries[$0.id]?.job } }
                .filter { $0.hasExpired(at: now) }
                .sorted { ($0.expiresAt!, $0.id) < ($1.expiresAt!, $1.id) }
            return (dead + late).prefix(max(limit, 0)).compactMap { job in
                guard let transition = JobTransition.expire(job, in: surroundings) else { return nil }
                state.apply(transition, at: now)
                return transition.job.withoutInput
            }
        }
    }

    public func abandon(worker: WorkerID, reason: String, stderrTail: String?) async throws -> [Job] {
        write { state in
            state.runningByExpiry { $0.lease?.worker == worker }.map { job in
                let transition = JobTransition.crash(job, reason: reason, stderrTail: stderrTail, in: surroundings)
                state.apply(transition, at: surroundings.now())
                return transition.job.withoutInput
            }
        }
    }

    public func cancel(_ id: JobID) async throws -> Job? {
        write { state in
            guard let job = state.entries[id]?.job else { return nil }
            guard let transition = JobTransition.cancel(job, in: surroundings) else { return job.withoutInput }
            state.apply(transition, at: surroundings.now())
            return transition.job.withoutInput
        }
    }

    public func retry(_ id: JobID) async throws -> Job? {
        try write { state in
            guard let job = state.entries[id]?.job else { return nil }
            let transition = try JobTransition.retry(job, in: surroundings)
            state.apply(transition, at: surroundings.now())
            return transition.job.withoutInput
        }
    }

    public func prune(endpoint: String, finishedBefore: Timestamp, limit: Int) async throws -> Int {
        write { state in
            let waiting = Set(state.deliveries.values.filter { $0.delivery.state == .pending }.map(\.delivery.snapshot.id))
            let old = state.entries.values.map(\.job)
                .filter { $0.endpoint == endpoint && $0.state.isFinal && $0.finishedAt! < finishedBefore && !waiting.contains($0.id) }
                .sorted { ($0.finishedAt!, $0.id) < ($1.finishedAt!, $1.id) }
                .prefix(max(limit, 0))
            for job in old { state.remove(job) }
            return old.count
        }
    }
}

extension InMemoryState {
    /// - Throws: what refuses the whole call, before anything has changed.
    fileprivate func checkAdmission(of jobs: [NewJob]) throws {
        var keys: Set<IdempotencyKey> = []
        var ids: Set<JobID> = []
        for new in jobs {
            if let key = new.idempotency.map({ IdempotencyKey(tenant: new.job.tenant, key: $0.key) }) {
                guard idempotency[key] == nil, keys.insert(key).inserted else { continue }
            }
            guard entries[new.job.id] == nil, ids.insert(new.job.id).inserted else {
                throw MillraceError.alreadyThere("job \(new.job.id)")
            }
            for file in new.job.files {
                guard blobIsThere(file.blob), blobs[file.blob]?.record.tenant == new.job.tenant else {
                    throw MillraceError.blobMissing(file.blob)
                }
            }
        }
    }

    fileprivate func known(_ new: NewJob) -> Admission? {
        guard let given = new.idempotency, let id = idempotency[.init(tenant: new.job.tenant, key: given.key)],
            let entry = entries[id]
        else { return nil }
        return entry.idempotency == given ? .existing(entry.job.withoutInput) : .conflict(id)
    }

    fileprivate mutating func remove(_ job: Job) {
        if let key = entries[job.id]?.idempotency?.key { idempotency[.init(tenant: job.tenant, key: key)] = nil }
        for file in job.blobsUsed { release(file.blob) }
        for (id, outgoing) in deliveries where outgoing.delivery.snapshot.id == job.id { deliveries[id] = nil }
        unlist(job)
        order.remove(job.id)
        entries[job.id] = nil
    }
}

extension JobFilter {
    func matches(_ job: Job) -> Bool {
        (tenant == nil || tenant == job.tenant) && (endpoint == nil || endpoint == job.endpoint)
            && (states == nil || states!.contains(job.state))
    }
}

extension VariantBacklog {
    fileprivate init(_ variant: Variant) {
        self.init(endpoint: variant.endpoint, variant: variant.name)
    }

    fileprivate mutating func count(_ runAt: Timestamp, at now: Timestamp) {
        if runAt <= now {
            ready += 1
            oldestReadyAt = min(oldestReadyAt ?? runAt, runAt)
        } else {
            scheduled += 1
            nextRunAt = min(nextRunAt ?? runAt, runAt)
        }
    }
}
