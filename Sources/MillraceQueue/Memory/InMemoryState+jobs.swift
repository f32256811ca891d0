import MillraceCore

extension InMemoryState {
    /// - Throws: `state_conflict` when an id is taken, before anything has changed.
    func checkIDs(of jobs: [NewJob]) throws {
        var keys: Set<IdempotencyKey> = []
        var ids: Set<JobID> = []
        for new in jobs {
            if let key = new.idempotency.map({ IdempotencyKey(tenant: new.job.tenant, key: $0.key) }) {
                guard idempotency[key] == nil, keys.insert(key).inserted else { continue }
            }
            guard entries[new.job.id] == nil, ids.insert(new.job.id).inserted else {
                throw MillraceError.alreadyThere("job \(new.job.id)")
            }
        }
    }

    func missingFile(of job: Job) -> BlobID? {
        job.files.first { !blobIsThere($0.blob) || blobs[$0.blob]?.record.tenant != job.tenant }?.blob
    }

    func gate(of endpoint: String, _ quotas: EndpointQuotas) -> AdmissionGate {
        AdmissionGate(endpoint: endpoint, mode: modes[endpoint]?.mode ?? .open, quotas: quotas, usage: usage(endpoint, nil))
    }

    func usage(_ endpoint: String, _ tenant: String?) -> AdmissionGate.Usage {
        let lanes = queued.filter { $0.key.endpoint == endpoint && (tenant == nil || $0.key.tenant == tenant) }
        return .init(
            queued: lanes.values.reduce(0) { $0 + $1.elements.count },
            arrival: arrivals[ArrivalKey(endpoint: endpoint, tenant: tenant)] ?? 0)
    }

    mutating func keep(_ gate: AdmissionGate, of endpoint: String) {
        arrivals[ArrivalKey(endpoint: endpoint, tenant: nil)] = gate.endpoint.arrival
        for (tenant, usage) in gate.tenants { arrivals[ArrivalKey(endpoint: endpoint, tenant: tenant)] = usage.arrival }
    }

    /// Where the jobs before a cursor end. A cursor whose job is gone stands where its id would be.
    func end(before cursor: JobID?) -> Int {
        guard let cursor else { return order.elements.count }
        if let key = entries[cursor]?.key { return order.index(of: OrderPosition(key: key, id: cursor)) }
        guard let nearest = entries.keys.filter({ $0 < cursor }).max() else { return 0 }
        return order.index(of: OrderPosition(key: entries[nearest]!.key, id: nearest)) + 1
    }

    func oldest(_ filter: JobFilter) -> some Sequence<Job> {
        order.elements.lazy.compactMap { entries[$0.id]?.job }.filter { filter.matches($0) }
    }

    func known(_ new: NewJob) -> Admission? {
        guard let given = new.idempotency, let id = idempotency[.init(tenant: new.job.tenant, key: given.key)],
            let entry = entries[id]
        else { return nil }
        return entry.idempotency == given ? .existing(entry.job.withoutInput) : .conflict(id)
    }

    mutating func remove(_ job: Job) {
        if let key = entries[job.id]?.idempotency?.key { idempotency[.init(tenant: job.tenant, key: key)] = nil }
        for file in job.blobsUsed { release(file.blob) }
        for (id, outgoing) in deliveries where outgoing.delivery.snapshot.id == job.id { deliveries[id] = nil }
        unlist(job)
        order.remove(OrderPosition(key: entries[job.id]!.key, id: job.id))
        entries[job.id] = nil
    }
}

