import MillraceCore
import Tracing

extension JobQueue: JobStore {
    public var changes: StoreChanges { store.changes }

    /// - Note: A job without a `traceparent` takes that of the current span, so that its attempts can be found from the request.
    public func admit(_ jobs: [NewJob], within quotas: EndpointQuotas) async throws -> [Admission] {
        try await observed("admit", .producer) { span in
            span.attributes["millrace.jobs"] = jobs.count
            span.attributes["millrace.endpoint"] = jobs.first?.job.endpoint
            let traceparent = Self.traceparent(of: span)
            let admissions = try await store.admit(
                jobs.map { new in
                    var new = new
                    new.job.traceparent = new.job.traceparent ?? traceparent
                    return new
                }, within: quotas)
            meters.admitted(jobs, admissions)
            return admissions
        }
    }

    public func job(_ id: JobID) async throws -> Job? {
        try await store.job(id)
    }

    public func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job] {
        try await observed("list") { _ in try await store.jobs(matching: filter, after: cursor, limit: limit) }
    }

    public func count(matching filter: JobFilter) async throws -> Int {
        try await observed("count") { _ in try await store.count(matching: filter) }
    }

    public func lanes(of endpoint: String) async throws -> [Lane] {
        try await store.lanes(of: endpoint)
    }

    public func queuedAhead(of id: JobID, countingTo limit: Int) async throws -> Int? {
        try await store.queuedAhead(of: id, countingTo: limit)
    }

    public func serviceTimes(of endpoint: String, limit: Int) async throws -> [ServiceTime] {
        try await store.serviceTimes(of: endpoint, limit: limit)
    }

    public func events(of job: JobID, after sequence: Int64, limit: Int) async throws -> [JobEvent] {
        try await store.events(of: job, after: sequence, limit: limit)
    }

    public func backlog() async throws -> [VariantBacklog] {
        let backlog = try await observed("backlog") { _ in try await store.backlog() }
        meters.gauge(backlog)
        return backlog
    }

    public func lease(_ demand: LeaseDemand) async throws -> [Job] {
        try await observed("lease", .consumer) { span in
            span.attributes["millrace.endpoint"] = demand.endpoint
            let jobs = try await store.lease(demand)
            span.attributes["millrace.jobs"] = jobs.count
            meters.leased(jobs)
            return jobs
        }
    }

    public func lease(_ demand: LeaseDemand, waiting limit: Duration) async throws -> [Job] {
        // Its time is mostly waiting, which says nothing about the store.
        let jobs = try await store.lease(demand, waiting: limit)
        meters.leased(jobs)
        return jobs
    }

    public func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict] {
        let verdicts = try await observed("renew") { _ in try await store.renew(renewals) }
        meters.count(.leasesLost, by: verdicts.count { $0 == .lost })
        return verdicts
    }

    public func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] {
        try await observed("settle") { span in
            span.attributes["millrace.jobs"] = reports.count
            let verdicts = try await store.settle(reports)
            await measure(reports, verdicts)
            return verdicts
        }
    }

    public func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] {
        let jobs = try await observed("rescue") { _ in try await store.rescue(limit: limit, by: leader) }
        meters.rescued(jobs)
        return jobs
    }

    public func abandon(worker: WorkerID, atRisk: Set<JobID>, reason: String, stderrTail: String?) async throws -> [Job] {
        let jobs = try await observed("abandon") { _ in
            try await store.abandon(worker: worker, atRisk: atRisk, reason: reason, stderrTail: stderrTail)
        }
        meters.rescued(jobs)
        return jobs
    }

    public func cancel(_ id: JobID) async throws -> Job? {
        try await observed("cancel") { span in
            span.attributes["millrace.job"] = id.description
            let before = try await store.job(id)?.state
            let job = try await store.cancel(id)
            // A job that was queued ends here; a running one ends, and is counted, with its report.
            if let job, before == .queued, job.state == .cancelled {
                meters.count(.finished, [("endpoint", job.endpoint), ("state", job.state.rawValue)])
            }
            return job
        }
    }

    public func retry(_ id: JobID) async throws -> Job? {
        try await observed("retry") { span in
            span.attributes["millrace.job"] = id.description
            return try await store.retry(id)
        }
    }

    public func cancel(matching filter: JobFilter, limit: Int) async throws -> Int {
        try await observed("cancel_many") { _ in try await store.cancel(matching: filter, limit: limit) }
    }

    public func redrive(matching filter: JobFilter, limit: Int) async throws -> Int {
        try await observed("redrive") { _ in try await store.redrive(matching: filter, limit: limit) }
    }

    public func prune(_ endpoint: EndpointRetention, at now: Timestamp, limit: Int, by leader: Leadership?) async throws -> Int {
        let count = try await observed("prune") { _ in
            try await store.prune(endpoint, at: now, limit: limit, by: leader)
        }
        meters.count(.pruned, [("endpoint", endpoint.endpoint)], by: count)
        return count
    }
}

extension JobQueue {
    /// Measures attempts that ended. Only what cannot be known otherwise is read from the store, and a failure of that
    /// is no failure of the reports, which have been recorded.
    private func measure(_ reports: [AttemptReport], _ verdicts: [LeaseVerdict]) async {
        var ends = AttemptTally()
        let now = surroundings.now()
        for (report, verdict) in zip(reports, verdicts) {
            guard verdict != .lost else {
                ends.lost += 1
                continue
            }
            let attempt = meters.takeAttempt(of: report.job)
            var after: Job?
            if attempt == nil || report.outcome.needsLook { after = try? await store.job(report.job) }
            guard let endpoint = attempt?.endpoint ?? after?.endpoint else { continue }
            let state = after?.state ?? (report.outcome == .cancelled ? .cancelled : .succeeded)
            let run = (attempt?.startedAt ?? after?.startedAt).map { now.since($0) }
            ends.add(.init(endpoint: endpoint, outcome: report.outcome.name, state: state), run: run)
            if let coldStart = report.coldStart { meters.record(.coldStartSeconds, coldStart, [("endpoint", endpoint)]) }
        }
        meters.ended(ends)
    }

    private static func traceparent(of span: any Span) -> String? {
        var carrier: [String: String] = [:]
        InstrumentationSystem.instrument.inject(span.context, into: &carrier, using: DictionaryInjector())
        return carrier["traceparent"]
    }
}

private struct DictionaryInjector: Injector {
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) {
        carrier[key] = value
    }
}

extension AttemptReport.Outcome {
    fileprivate var name: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .cancelled: "cancelled"
        case .released: "released"
        }
    }

    /// Whether the job's state after it cannot be told from the report alone.
    fileprivate var needsLook: Bool {
        switch self {
        case .succeeded, .cancelled: false
        case .failed, .released: true
        }
    }
}
