import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: JobStore {
    public func admit(_ jobs: [NewJob]) async throws -> [Admission] {
        let prepared = try jobs.map { ($0, try ColdColumns($0.job)) }
        return try await write { step in
            try prepared.map { new, cold in
                if let known = try step.known(new) { return known }
                guard try JobRow.find(new.job.id, in: step.db) == nil else { throw MillraceError.alreadyThere("job \(new.job.id)") }
                for file in new.job.files where try !step.blobIsThere(file.blob, tenant: new.job.tenant) {
                    throw MillraceError.blobMissing(file.blob)
                }
                let transition = JobTransition.admit(new.job)
                try step.insert(transition, cold, new.idempotency)
                return .admitted(transition.job)
            }
        }
    }

    public func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict] {
        try await write { step in
            try renewals.map { renewal in
                guard let row = try JobRow.find(renewal.job, in: step.db) else { return .lost }
                let checked = try renewal.checked { try step.blobIsThere($0) }
                let (transition, verdict) = JobTransition.renew(row.job, with: checked, in: step.surroundings)
                if let transition { try step.apply(transition, to: row) }
                return verdict
            }
        }
    }

    public func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] {
        try await write { step in
            try reports.map { report in
                guard let row = try JobRow.find(report.job, in: step.db) else { return .lost }
                let checked = try report.checked { try step.blobIsThere($0) }
                let (transition, verdict) = JobTransition.settle(row.job, with: checked, in: step.surroundings)
                if let transition { try step.apply(transition, to: row) }
                return verdict
            }
        }
    }

    public func lease(_ demand: LeaseDemand) async throws -> [Job] {
        let taken: [JobRow] = try await write { step in
            guard let worker = try step.worker(demand.worker) else { throw MillraceError.workerMissing(demand.worker) }
            try step.giveBackUnknown(to: demand)
            guard !worker.draining, demand.jobsMax > 0, worker.seenAt + demand.duration > step.now, try step.hasQueued(demand)
            else { return [] }
            var taken: [JobRow] = []
            // One seek for each priority: a scan over all of them would wade through what is scheduled for later.
            for priority in (0...9).reversed() where taken.count < demand.jobsMax {
                taken += try step.lease(demand, priority: priority, limit: demand.jobsMax - taken.count)
            }
            if !taken.isEmpty {
                try step.execute("UPDATE worker SET seenAt = ? WHERE id = ?", [step.now.milliseconds, demand.worker.data])
            }
            return taken
        }
        return try taken.map { try $0.leasedJob() }
    }

    public func rescue(limit: Int) async throws -> [Job] {
        try await write { step in
            let now = step.now.milliseconds
            try step.proveWritable(now)
            var rows = try JobRow.all(.leaseOver, [now, max(limit, 0)], in: step.db)
            rows += try JobRow.all(.expired, [now, max(limit - rows.count, 0)], in: step.db)
            return try rows.compactMap { row in
                guard let transition = JobTransition.expire(row.job, in: step.surroundings) else { return nil }
                return try step.apply(transition, to: row).completeJob()
            }
        }
    }

    public func abandon(worker: WorkerID, reason: String, stderrTail: String?) async throws -> [Job] {
        try await write { step in
            try step.held(by: worker).map { row in
                let transition = JobTransition.crash(row.job, reason: reason, stderrTail: stderrTail, in: step.surroundings)
                return try step.apply(transition, to: row).completeJob()
            }
        }
    }

    public func cancel(_ id: JobID) async throws -> Job? {
        try await write { step in
            guard let row = try JobRow.find(id, in: step.db) else { return nil }
            guard let transition = JobTransition.cancel(row.job, in: step.surroundings) else { return try row.completeJob() }
            return try step.apply(transition, to: row).completeJob()
        }
    }

    public func retry(_ id: JobID) async throws -> Job? {
        try await write { step in
            guard let row = try JobRow.find(id, in: step.db) else { return nil }
            let transition = try JobTransition.retry(row.job, in: step.surroundings)
            return try step.apply(transition, to: row).completeJob()
        }
    }

    public func prune(endpoint: String, finishedBefore: Timestamp, limit: Int) async throws -> Int {
        try await write { step in
            // A message that has not been delivered yet keeps its job.
            let rows = try JobRow.all(.finished, [endpoint, finishedBefore.milliseconds, max(limit, 0)], in: step.db)
            for row in rows {
                for file in row.job.blobsUsed { try step.release(file.blob) }
                try step.execute("DELETE FROM event WHERE job = ?", [row.key])
                try step.execute("DELETE FROM delivery WHERE job = ?", [row.key])
                try step.execute("DELETE FROM job WHERE key = ?", [row.key])
            }
            return rows.count
        }
    }
}

extension WriteStep {
    fileprivate func known(_ new: NewJob) throws -> Admission? {
        guard let given = new.idempotency else { return nil }
        let statement = try db.cachedStatement(
            sql: "SELECT \(JobRow.columns), fingerprint FROM job WHERE tenant = ? AND idempotencyKey = ?")
        guard let row = try Row.fetchOne(statement, arguments: [new.job.tenant, given.key]) else { return nil }
        let job = try JobRow(row).completeJob()
        return row["fingerprint"] == given.fingerprint ? .existing(job) : .conflict(job.id)
    }

    /// Whether anything is queued at all: waiting workers ask often, and mostly in vain.
    fileprivate func hasQueued(_ demand: LeaseDemand) throws -> Bool {
        let statement = try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM job \(JobQuery.queued.rawValue))")
        return try Bool.fetchOne(statement, arguments: [demand.endpoint, demand.variant]) == true
    }

    /// What a worker holds, in the order in which its leases end.
    func held(by worker: WorkerID) throws -> [JobRow] {
        try JobRow.all(.heldBy, [worker.data], in: db).sorted { $0.leaseOrder < $1.leaseOrder }
    }

    fileprivate func giveBackUnknown(to demand: LeaseDemand) throws {
        guard demand.held != nil else { return }
        for row in try held(by: demand.worker) {
            guard let transition = JobTransition.giveBack(row.job, unknownTo: demand, in: surroundings) else { continue }
            _ = try apply(transition, to: row)
        }
    }

    fileprivate func lease(_ demand: LeaseDemand, priority: Int, limit: Int) throws -> [JobRow] {
        let now = now.milliseconds
        let rows = try JobRow.all(.ready, [demand.endpoint, demand.variant, priority, now, now, limit], in: db)
        return try rows.compactMap { row in
            guard let transition = JobTransition.lease(row.job, by: demand, in: surroundings) else { return nil }
            return try apply(transition, to: row)
        }
    }

    /// While jobs run, every rescue writes something: a store that cannot write could not take heartbeats either, and the
    /// rescuer must learn of it. An idle store stays untouched.
    fileprivate func proveWritable(_ now: Int64) throws {
        let statement = try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM job \(JobQuery.running.rawValue))")
        guard try Bool.fetchOne(statement) == true else { return }
        try execute("INSERT INTO rescuer (only, at) VALUES (0, ?) ON CONFLICT DO UPDATE SET at = excluded.at", [now])
    }
}
