import MillraceCore

// What every store does beside a transition: the same in each, so that all agree.

extension Job {
    /// The blobs that must stay as long as this job is kept as it is.
    public var blobsUsed: [JobFile] {
        var seen: Set<BlobID> = []
        return (files + outputs + (checkpoint?.files ?? [])).filter { seen.insert($0.blob).inserted }
    }
}

extension JobTransition {
    /// Blobs that the job uses from now on, and those that it no longer uses.
    public func blobsChanged(from old: Job?) -> (added: [JobFile], released: [BlobID]) {
        // Heartbeats and most ends leave the files alone; sets are made only where something differs.
        if let old, old.outputs == job.outputs, old.checkpoint == job.checkpoint, old.files == job.files { return ([], []) }
        let before = old?.blobsUsed ?? []
        let after = job.blobsUsed
        let (had, has) = (Set(before.map(\.blob)), Set(after.map(\.blob)))
        return (after.filter { !had.contains($0.blob) }, before.map(\.blob).filter { !has.contains($0) })
    }

    /// The worker whose work began or ended with this transition, for `idleSince`.
    public func workerChanged(from old: Job?) -> WorkerID? {
        old?.lease?.token == job.lease?.token ? nil : job.lease?.worker ?? old?.lease?.worker
    }

    /// The topics whose waiters should look again: a heartbeat that brings nothing wakes nobody.
    public func topics(from old: Job?) -> [StoreChanges.Topic] {
        guard let old, old.state == job.state else {
            // A place that becomes free may be what a limit of running jobs waits for.
            return old?.state == .running && job.state.isFinal ? topics + [.work(endpoint: job.endpoint, variant: job.variant)] : topics
        }
        return events.isEmpty ? [] : [.job(job.id)]
    }

    /// The events to write when `logsBefore` log lines are there, and how many lines are there afterwards.
    ///
    /// Past ``JobEvent/logLinesMax`` one last line says that the limit was reached, and nothing comes after it. Of
    /// progress only the last is kept; the store removes the one that it has.
    public func eventsKept(logsBefore: Int) -> (events: [JobEvent.Detail], logs: Int) {
        var logs = logsBefore
        var kept: [JobEvent.Detail] = []
        let lastProgress = events.lastIndex { if case .progress = $0 { true } else { false } }
        for (index, event) in events.enumerated() {
            switch event {
            case .state: kept.append(event)
            case .progress: if index == lastProgress { kept.append(event) }
            case .log:
                if logs < JobEvent.logLinesMax { kept.append(event) }
                if logs == JobEvent.logLinesMax { kept.append(.log(.limitReached)) }
                logs = min(logs + 1, JobEvent.logLinesMax + 1)
            }
        }
        return (kept, logs)
    }
}

extension LogLine {
    static let limitReached = LogLine(
        level: .warning, message: "the limit of \(JobEvent.logLinesMax) log lines is reached; later lines are not kept")
}

extension AttemptReport {
    /// The report as it can be recorded: a result whose bytes are not in the catalog is none, and the job is tried again.
    public func checked(isThere: (BlobID) throws -> Bool) rethrows -> AttemptReport {
        guard case .succeeded(let outputs, _) = outcome else { return self }
        guard let missing = try outputs.first(where: { try !isThere($0.blob) }) else { return self }
        var copy = self
        copy.outcome = .failed(
            JobFailure(
                .blobUnknown, "the output \"\(missing.name)\" names blob \(missing.blob), which is not there",
                hint: "reserve a blob before its bytes are written", retryable: true))
        return copy
    }
}

extension LeaseRenewal {
    /// The renewal as it can be recorded: a checkpoint whose bytes are not in the catalog is left out, with a log line.
    public func checked(isThere: (BlobID) throws -> Bool) rethrows -> LeaseRenewal {
        guard let missing = try checkpoint?.files.first(where: { try !isThere($0.blob) }) else { return self }
        var copy = self
        copy.checkpoint = nil
        copy.logs.append(LogLine(level: .warning, message: "the checkpoint was not kept: blob \(missing.blob) is not there"))
        return copy
    }
}

extension MillraceError {
    /// Errors that every store raises in the same words.
    public static func blobMissing(_ id: BlobID) -> MillraceError {
        MillraceError(.blobUnknown, "there is no blob \(id)", hint: "upload it first; an upload that no job uses is removed after a while")
    }

    public static func workerMissing(_ id: WorkerID) -> MillraceError {
        MillraceError(.workerUnknown, "there is no worker \(id)", hint: "register again")
    }

    public static func alreadyThere(_ what: String) -> MillraceError {
        MillraceError(.stateConflict, "\(what) is already there")
    }
}
