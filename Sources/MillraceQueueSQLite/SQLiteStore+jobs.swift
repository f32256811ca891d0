import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: JobStore {
    public func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission] {
        let prepared = jobs.map { ($0, ColdColumns($0.job)) }
        let first = jobs.first.map { LaneKey($0.job) }
        let haveOneLane = jobs.allSatisfy { LaneKey($0.job) == first }
        return try await write { step in
            var door = Door(step: step, quotas: quotas, haveOneLane: haveOneLane)
            let admissions = try prepared.map { try door.admit($0, $1) }
            try door.close()
            return admissions
        }
    }

    public func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict] {
        try await write { step in
            try renewals.map { renewal in
                guard let row = try JobRow.find(renewal.job, in: step) else { return .lost }
                let checked = try renewal.checked { try step.blobIsThere($0) }
                let (transition, verdict) = JobTransition.renew(row.job, with: checked, in: step.surroundings)
                if let transition { try step.apply(transition, to: row) }
                return verdict
            }
        }
    }

    public func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] {
        // Many at once are worth a sync of their own.
        try await write(reports.count < 16 ? .patient : .prompt) { step in
            try reports.map { report in
                guard let row = try JobRow.find(report.job, in: step) else { return .lost }
                let checked = try report.checked { try step.blobIsThere($0) }
                let (transition, verdict) = JobTransition.settle(row.job, with: checked, in: step.surroundings)
                if let transition { try step.apply(transition, to: row) }
                return verdict
            }
        }
    }

    public func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] {
        try await write { step in
            try step.check(leader)
            let now = step.now
            try step.proveWritable(now)
            var rows = try JobRow.all(.leaseOver, in: step) {
                $0.bind(now)
                $0.bind(max(limit, 0))
            }
            let left = max(limit - rows.count, 0)
            rows += try JobRow.all(.expired, in: step) {
                $0.bind(now)
                $0.bind(left)
            }
            return try rows.compactMap { row in
                guard let transition = JobTransition.expire(row.job, in: step.surroundings) else { return nil }
                return try step.apply(transition, to: row).completeJob()
            }
        }
    }

    public func abandon(worker: WorkerID, atRisk: Set<JobID>, reason: String, stderrTail: String?) async throws -> [Job] {
        try await write { step in
            let rows = try step.held(by: worker)
            let transitions = JobTransition.workerDied(
                holding: rows.map(\.job), atRisk: atRisk, reason: reason, stderrTail: stderrTail, in: step.surroundings)
            return try zip(transitions, rows).map { transition, row in
                try step.apply(transition, to: row).completeJob()
            }
        }
    }

    public func cancel(_ id: JobID) async throws -> Job? {
        try await write { step in
            guard let row = try JobRow.find(id, in: step) else { return nil }
            guard let transition = JobTransition.cancel(row.job, in: step.surroundings) else { return try row.completeJob() }
            return try step.apply(transition, to: row).completeJob()
        }
    }

    public func retry(_ id: JobID) async throws -> Job? {
        try await write { step in
            guard let row = try JobRow.find(id, in: step) else { return nil }
            let transition = try JobTransition.retry(row.job, in: step.surroundings)
            return try step.apply(transition, to: row).completeJob()
        }
    }

    public func cancel(matching filter: JobFilter, limit: Int) async throws -> Int {
        try await write { step in
            let rows = try step.oldest(filter.limited(to: .living), askedToCancel: false, limit: limit)
            for row in rows {
                guard let transition = JobTransition.cancel(row.job, in: step.surroundings) else { continue }
                try step.apply(transition, to: row)
            }
            return rows.count
        }
    }

    public func redrive(matching filter: JobFilter, limit: Int) async throws -> Int {
        try await write { step in
            let rows = try step.oldest(filter.redriving, limit: limit)
            for row in rows { try step.apply(try JobTransition.retry(row.job, in: step.surroundings), to: row) }
            return rows.count
        }
    }

    public func prune(_ endpoint: EndpointRetention, at now: Timestamp, limit: Int, by leader: Leadership?) async throws -> Int {
        try await write { step in
            try step.check(leader)
            try step.ledger.flush(step.db)
            let surplus = try endpoint.jobsMax.map { max(0, try step.db.finished(of: endpoint.endpoint) - $0) } ?? 0
            let old = try step.firstFinished(of: endpoint.endpoint, limit: limit).enumerated()
                .filter { $0.offset < surplus || $0.element.job.finishedAt! < now - endpoint.age }.map(\.element)
            for row in old { try step.remove(row) }
            return old.count
        }
    }
}

extension WriteStep {
    /// What a worker holds, in the order in which its leases end.
    func held(by worker: WorkerID) throws -> [JobRow] {
        try JobRow.all(.heldBy, in: self) { $0.bind(worker) }.sorted { $0.leaseOrder < $1.leaseOrder }
    }

    /// While jobs run, every rescue writes something: a store that cannot write could not take heartbeats either, and the
    /// rescuer must learn of it. An idle store stays untouched.
    fileprivate func proveWritable(_ now: Timestamp) throws {
        let statement = try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM job INDEXED BY job_held WHERE state = 1)")
        guard try Bool.fetchOne(statement) == true else { return }
        try execute(
            "INSERT INTO rescuer (only, at) VALUES (0, ?) ON CONFLICT DO UPDATE SET at = excluded.at", [now.milliseconds])
    }

    /// The jobs that ended first, over all variants. A message that has not been delivered yet keeps its job.
    fileprivate func firstFinished(of endpoint: String, limit: Int) throws -> [JobRow] {
        let queues = try Int64.fetchAll(db, sql: "SELECT id FROM queue WHERE endpoint = ?", arguments: [endpoint])
        let rows = try queues.flatMap { queue in
            try JobRow.all(.finished, in: self) {
                $0.bind(queue)
                $0.bind(max(limit, 0))
            }
        }
        return Array(rows.sorted { ($0.job.finishedAt!, $0.key) < ($1.job.finishedAt!, $1.key) }.prefix(max(limit, 0)))
    }

    fileprivate func remove(_ row: JobRow) throws {
        for file in row.job.blobsUsed { try release(file.blob) }
        for table in ["event", "delivery", "payload", "idempotency"] { try execute("DELETE FROM \(table) WHERE job = ?", [row.key]) }
        try execute("DELETE FROM job WHERE key = ?", [row.key])
        ledger.move(lane: row.place.lane, from: row.job.state, to: nil, runAt: row.job.runAt)
    }
}
