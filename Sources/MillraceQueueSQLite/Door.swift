import GRDB
import MillraceCore
import MillraceQueue

/// Takes jobs in, one after the other in one step: known ones by their keys, new ones within their quotas.
struct Door {
    private let step: WriteStep
    private let quotas: EndpointQuotas
    private let haveOneLane: Bool
    private var gates: [String: AdmissionGate] = [:]
    /// Who took the last job at once.
    private var waiter: (endpoint: String, variant: String, index: Int)?

    /// - Parameter haveOneLane: no job of this step goes before another that comes earlier in it.
    init(step: WriteStep, quotas: EndpointQuotas, haveOneLane: Bool) {
        self.haveOneLane = haveOneLane
        self.step = step
        self.quotas = quotas
    }

    mutating func admit(_ new: NewJob, _ cold: ColdColumns) throws -> Admission {
        if let known = try known(new) { return known }
        for file in new.job.files where try !step.blobIsThere(file.blob, tenant: new.job.tenant) {
            return .refused(.blobMissing(file.blob))
        }
        if let refusal = try judge(new.job) { return .refused(refusal) }
        let transition = JobTransition.admit(new.job)
        if let (waiter, lease) = try start(transition.job) {
            step.handOuts.add(try step.insert(transition, leased: lease, cold, new.idempotency), to: waiter)
        } else {
            try step.insert(transition, leased: nil, cold, new.idempotency)
        }
        return .admitted(transition.job)
    }

    /// How the job goes straight to a worker that waits, when it can.
    private mutating func start(_ job: Job) throws -> (waiter: Int, lease: JobTransition)? {
        guard haveOneLane else { return nil }
        if waiter?.endpoint != job.endpoint || waiter?.variant != job.variant || waiter.map({ !step.handOuts.given[$0.index].hasRoom }) ?? true {
            waiter = try step.waiter(for: job).map { (job.endpoint, job.variant, $0) }
        }
        guard let waiter, !step.ledger.hasQueued,
            let lease = JobTransition.lease(job, by: step.handOuts.given[waiter.index].parked.demand, in: step.surroundings)
        else { return nil }
        return (waiter.index, lease)
    }

    /// Keeps what the gates counted.
    func close() throws {
        guard !quotas.isUnlimited else { return }
        for (endpoint, gate) in gates {
            if quotas.endpoint.rate != nil { try keep(gate.endpoint.arrival, endpoint, "") }
            guard quotas.tenant.rate != nil else { continue }
            for (tenant, usage) in gate.tenants { try keep(usage.arrival, endpoint, tenant) }
        }
    }

    private func known(_ new: NewJob) throws -> Admission? {
        guard let given = new.idempotency else { return nil }
        let statement = try step.db.cachedStatement(
            sql: "SELECT job.id, fingerprint FROM idempotency JOIN job ON job.key = idempotency.job WHERE tenant = ? AND idempotency.key = ?")
        guard let found = try Row.fetchOne(statement, arguments: [new.job.tenant, given.key]),
            let job = try JobRow.find(JobID(column: found[0]), in: step)?.completeJob()
        else { return nil }
        return found[1] == given.fingerprint ? .existing(job) : .conflict(job.id)
    }

    private mutating func judge(_ job: Job) throws -> MillraceError? {
        if gates[job.endpoint] == nil {
            gates[job.endpoint] = AdmissionGate(
                endpoint: job.endpoint, mode: try step.mode(of: job.endpoint), quotas: quotas, usage: try usage(job.endpoint, nil))
        }
        if gates[job.endpoint]!.needsUsage(of: job.tenant) {
            gates[job.endpoint]!.set(try usage(job.endpoint, job.tenant), of: job.tenant)
        }
        return gates[job.endpoint]!.admit(tenant: job.tenant, at: step.now)
    }

    private func usage(_ endpoint: String, _ tenant: String?) throws -> AdmissionGate.Usage {
        guard !quotas.isUnlimited else { return .init() }
        try step.ledger.flush(step.db)
        let queued = try step.db.lanes(of: endpoint).filter { tenant == nil || $0.key.tenant == tenant }.reduce(0) { $0 + $1.queued }
        // Jobs that this step has let in are counted by the gate of the endpoint and of their tenant; a tenant's gate is opened
        // with its first job.
        let arrival = try Int64.fetchOne(
            step.db, sql: "SELECT at FROM arrival WHERE endpoint = ? AND tenant = ?", arguments: [endpoint, tenant ?? ""])
        return .init(queued: queued, arrival: arrival ?? 0)
    }

    /// A tenant without a name stands for the endpoint as a whole.
    private func keep(_ arrival: Int64, _ endpoint: String, _ tenant: String) throws {
        try step.execute(
            "INSERT INTO arrival (endpoint, tenant, at) VALUES (?,?,?) ON CONFLICT DO UPDATE SET at = excluded.at",
            [endpoint, tenant, arrival])
    }
}
