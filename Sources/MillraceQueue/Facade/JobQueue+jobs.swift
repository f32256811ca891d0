import MillraceCore
import Tracing

extension JobQueue: JobStore {
    public var changes: StoreChanges { store.changes }

    /// - Note: A job without a `traceparent` takes that of the current span, so that its attempts can be found from the request.
    public func admit(_ jobs: [NewJob]) async throws -> [Admission] {
        try await observed("admit", .producer) { span in
            span.attributes["millrace.jobs"] = jobs.count
            span.attributes["millrace.endpoint"] = jobs.first?.job.endpoint
            let traceparent = Self.traceparent(of: span)
            let admissions = try await store.admit(
                jobs.map { new in
                    var new = new
                    new.job.traceparent = new.job.traceparent ?? traceparent
                    return new
                })
            for (new, admission) in zip(jobs, admissions) {
                let labels = [("endpoint", new.job.endpoint)]
                switch admission {
                case .admitted: meters.count(.submitted, labels)
                case .existing: meters.count(.repeated, labels)
                case .conflict: break
                }
            }
            return admissions
        }
    }

    public func job(_ id: JobID) async throws -> Job? {
        try await store.job(id)
    }

    public func jobs(matching filter: JobFilter, after cursor: JobID?, limit: Int) async throws -> [Job] {
        try await observed("list") { _ in try await store.jobs(matching: filter, after: cursor, limit: limit) }
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

    public func renew(_ renewals: [LeaseRenewal]) async throws -> [LeaseVerdict] {
        let verdicts = try await observed("renew") { _ in try await store.renew(renewals) }
        meters.count(.leasesLost, by: verdicts.count { $0 == .lost })
        return verdicts
    }

    public func settle(_ reports: [AttemptReport]) async throws -> [LeaseVerdict] {
        try await observed("settle") { span in
            span.attributes["millrace.jobs"] = reports.count
            let verdicts = try await store.settle(reports)
            for (report, verdict) in zip(reports, verdicts) { await measure(report, verdict) }
            return verdicts
        }
    }

    public func rescue(limit: Int) async throws -> [Job] {
        let jobs = try await observed("rescue") { _ in try await store.rescue(limit: limit) }
        meters.rescued(jobs)
        return jobs
    }

    public func abandon(worker: WorkerID, reason: String, stderrTail: String?) async throws -> [Job] {
        let jobs = try await observed("abandon") { _ in
            try await store.abandon(worker: worker, reason: reason, stderrTail: stderrTail)
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

    public func prune(endpoint: String, finishedBefore: Timestamp, limit: Int) async throws -> Int {
        let count = try await observed("prune") { _ in
            try await store.prune(endpoint: endpoint, finishedBefore: finishedBefore, limit: limit)
        }
        meters.count(.pruned, [("endpoint", endpoint)], by: count)
        return count
    }
}

extension JobQueue {
    /// Measures an attempt that ended. Only what cannot be known otherwise is read from the store, and a failure of that
    /// is no failure of the report, which has been recorded.
    private func measure(_ report: AttemptReport, _ verdict: LeaseVerdict) async {
        guard verdict != .lost else { return meters.count(.leasesLost) }
        let attempt = meters.takeAttempt(of: report.job)
        var after: Job?
        if attempt == nil || report.outcome.needsLook { after = try? await store.job(report.job) }
        guard let endpoint = attempt?.endpoint ?? after?.endpoint else { return }
        if let startedAt = attempt?.startedAt ?? after?.startedAt {
            let labels = [("endpoint", endpoint), ("state", report.outcome.name)]
            meters.record(.runSeconds, surroundings.now().since(startedAt), labels)
        }
        if let coldStart = report.coldStart { meters.record(.coldStartSeconds, coldStart, [("endpoint", endpoint)]) }
        let state = after?.state ?? (report.outcome == .cancelled ? .cancelled : .succeeded)
        if state.isFinal {
            meters.count(.finished, [("endpoint", endpoint), ("state", state.rawValue)])
        } else {
            meters.count(.requeued, [("endpoint", endpoint), ("reason", report.outcome.name)])
        }
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
