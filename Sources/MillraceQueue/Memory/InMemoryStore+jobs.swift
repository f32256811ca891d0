import MillraceCore

extension InMemoryStore: JobStore {
    public func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission] {
        try write { state in
            try state.checkIDs(of: jobs)
            let now = surroundings.now()
            var gates: [String: AdmissionGate] = [:]
            let admissions = jobs.map { new in
                if let known = state.known(new) { return known }
                if let missing = state.missingFile(of: new.job) { return .refused(.blobMissing(missing)) }
                let (tenant, endpoint) = (new.job.tenant, new.job.endpoint)
                var gate = gates[endpoint] ?? state.gate(of: endpoint, quotas)
                if gate.needsUsage(of: tenant) { gate.set(state.usage(endpoint, tenant), of: tenant) }
                let refusal = gate.admit(tenant: tenant, at: now)
                gates[endpoint] = gate
                if let refusal { return .refused(refusal) }
                let transition = JobTransition.admit(new.job)
                state.apply(transition, at: now)
                if let idempotency = new.idempotency {
                    state.entries[new.job.id]?.idempotency = idempotency
                    state.idempotency[.init(tenant: new.job.tenant, key: idempotency.key)] = new.job.id
                }
                return .admitted(transition.job)
            }
            for (endpoint, gate) in gates { state.keep(gate, of: endpoint) }
            return admissions
        }
    }

    public func job(_ id: JobID) async throws -> Job? {
        read { $0.entries[id]?.job.withoutInput }
    }

    public func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job] {
        read { state in
            Array(
                state.order.elements[..<state.end(before: cursor)].reversed().lazy
                    .compactMap { state.entries[$0.id]?.job.withoutInput }
                    .filter { filter.matches($0) }
                    .prefix(limit))
        }
    }

    public func count(matching filter: JobFilter) async throws -> Int {
        read { $0.entries.values.count { filter.matches($0.job) } }
    }

    public func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent] {
        read { Array(($0.entries[job]?.events ?? []).lazy.filter { $0.sequence > sequence }.prefix(limit)) }
    }

    public func backlog() async throws -> [VariantBacklog] {
        let now = surroundings.now()
        return read { state in
            var found: [Variant: VariantBacklog] = [:]
            for (lane, list) in state.queued {
                let variant = Variant(endpoint: lane.endpoint, name: lane.variant)
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

    public func lanes(of endpoint: String) async throws -> [Lane] {
        read { state in
            Set(state.queued.keys).union(state.turns.keys).filter { $0.endpoint == endpoint }
                .map { Lane(key: $0, queued: state.queued[$0]?.elements.count ?? 0, running: state.turns[$0]?.running ?? 0) }
                .filter { $0.queued > 0 || $0.running > 0 }
                .sorted { $0.key < $1.key }
        }
    }

    public func queuedAhead(of id: JobID, countingTo limit: Int) async throws -> Int? {
        read { state in
            guard let job = state.entries[id]?.job, job.state == .queued else { return nil }
            return min(state.queued[LaneKey(job)]!.index(of: state.position(of: job)), limit)
        }
    }

    public func serviceTimes(of endpoint: String, limit: Int) async throws -> [ServiceTime] {
        read { state in
            state.entries.values
                .filter { $0.job.endpoint == endpoint && $0.job.state.isFinal && $0.job.startedAt != nil }
                .sorted { ($0.job.finishedAt!, $0.key) > ($1.job.finishedAt!, $1.key) }
                .prefix(limit)
                .map { ServiceTime(startedAt: $0.job.startedAt!, finishedAt: $0.job.finishedAt!) }
        }
    }

    public func lease(_ demand: LeaseDemand) async throws -> [Job] {
        try write { state in
            guard let worker = state.workers[demand.worker] else { throw MillraceError.workerMissing(demand.worker) }
            let now = surroundings.now()
            guard !demand.isOvertaken(by: state.lastRequests[demand.worker]) else { return [] }
            for job in state.runningByExpiry(where: { $0.lease?.worker == demand.worker }) {
                guard let transition = JobTransition.giveBack(job, unknownTo: demand, in: surroundings) else { continue }
                state.apply(transition, at: now)
            }
            guard !worker.draining, demand.jobsMax > 0, worker.seenAt + demand.duration > now,
                state.modes[demand.endpoint]?.mode != .paused
            else { return [] }
            let taken = state.lease(demand, in: surroundings)
            if !taken.isEmpty {
                state.workers[demand.worker]?.seenAt = now
                state.lastRequests[demand.worker] = demand.request ?? state.lastRequests[demand.worker]
            }
            return taken
        }
    }

    public func lease(_ demand: LeaseDemand, waiting limit: Duration) async throws -> [Job] {
        try await WaitingLease(store: self, surroundings: surroundings).run(demand, atMost: limit)
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

    public func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] {
        try write { state in
            try state.check(leader, at: surroundings.now())
            let now = surroundings.now()
            if !state.running.isEmpty { state.rescuedAt = now }
            let dead = state.runningByExpiry { $0.lease!.expiresAt <= now }
            let late = state.queued.values
                .flatMap { $0.elements.compactMap { state.entries[$0.id]?.job } }
                .filter { $0.hasExpired(at: now) }
                .sorted { ($0.queuedUntil!, state.entries[$0.id]!.key) < ($1.queuedUntil!, state.entries[$1.id]!.key) }
            return (dead + late).prefix(max(limit, 0)).compactMap { job in
                guard let transition = JobTransition.expire(job, in: surroundings) else { return nil }
                state.apply(transition, at: now)
                return transition.job.withoutInput
            }
        }
    }

    public func abandon(worker: WorkerID, atRisk: Set<JobID>, reason: String, stderrTail: String?) async throws -> [Job] {
        write { state in
            let held = state.runningByExpiry { $0.lease?.worker == worker }
            return JobTransition.workerDied(
                holding: held, atRisk: atRisk, reason: reason, stderrTail: stderrTail, in: surroundings
            ).map { transition in
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

    public func cancel(matching filter: JobFilter, limit: Int) async throws -> Int {
        write { state in
            let asked = state.oldest(filter.limited(to: .living)).filter { $0.cancelRequestedAt == nil }.prefix(max(limit, 0))
                .compactMap { JobTransition.cancel($0, in: surroundings) }
            for transition in asked { state.apply(transition, at: surroundings.now()) }
            return asked.count
        }
    }

    public func redrive(matching filter: JobFilter, limit: Int) async throws -> Int {
        try write { state in
            let jobs = state.oldest(filter.redriving).prefix(max(limit, 0))
            let transitions = try jobs.map { try JobTransition.retry($0, in: surroundings) }
            for transition in transitions { state.apply(transition, at: surroundings.now()) }
            return transitions.count
        }
    }

    public func prune(_ endpoint: EndpointRetention, at now: Timestamp, limit: Int, by leader: Leadership?) async throws -> Int {
        try write { state in
            try state.check(leader, at: surroundings.now())
            let waiting = Set(state.deliveries.values.filter { $0.delivery.state == .pending }.map(\.delivery.snapshot.id))
            let finished = state.entries.values.filter { $0.job.endpoint == endpoint.endpoint && $0.job.state.isFinal }
            let free = finished.filter { !waiting.contains($0.job.id) }
                .sorted { ($0.job.finishedAt!, $0.key) < ($1.job.finishedAt!, $1.key) }.map(\.job)
            let surplus = endpoint.jobsMax.map { max(0, finished.count - $0) } ?? 0
            let old = free.enumerated().filter { $0.offset < surplus || $0.element.finishedAt! < now - endpoint.age }
                .map(\.element).prefix(max(limit, 0))
            for job in old { state.remove(job) }
            return old.count
        }
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
