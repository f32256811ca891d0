import MillraceCore

extension InMemoryState {
    /// Writes a transition: the job, its events, its delivery, and what depends on them.
    mutating func apply(_ transition: JobTransition, at now: Timestamp) {
        let job = transition.job
        let old = entries[job.id]?.job
        if let old { unlist(old) }
        if old == nil {
            entries[job.id] = Entry(job: job, key: nextKey)
            order.insert(OrderPosition(key: nextKey, id: job.id))
            nextKey += 1
        }
        entries[job.id]?.job = job
        list(job)
        scaling.count(job, from: old)
        useBlobs(transition, from: old)
        if let worker = transition.workerChanged(from: old) { workers[worker]?.idleSince = now }
        append(transition, at: now)
        if let delivery = transition.delivery {
            deliveries[delivery.id] = Outgoing(delivery: delivery, availableAt: delivery.dueAt)
        }
        topics.formUnion(transition.topics(from: old))
    }

    /// Writes a job whose times alone have changed.
    mutating func replace(_ old: Job, by job: Job) {
        unlist(old)
        entries[job.id]?.job = job
        list(job)
    }

    private mutating func list(_ job: Job) {
        switch job.state {
        case .queued:
            let position = position(of: job)
            queued[LaneKey(job), default: .init()].insert(position)
            let turn = turns[LaneKey(job)] ?? .init()
            turns[LaneKey(job), default: turn].readyAt = min(turn.readyAt, job.runAt)
        case .running:
            running.insert(job.id)
            turns[LaneKey(job), default: .init()].running += 1
        default: break
        }
    }

    mutating func unlist(_ job: Job) {
        switch job.state {
        case .queued:
            let position = position(of: job)
            queued[LaneKey(job)]?.remove(position)
        case .running:
            running.remove(job.id)
            turns[LaneKey(job)]?.running -= 1
        default: break
        }
    }

    func position(of job: Job) -> QueuePosition {
        QueuePosition(runAt: job.runAt, key: entries[job.id]!.key, id: job.id)
    }

    private mutating func useBlobs(_ transition: JobTransition, from old: Job?) {
        let (added, released) = transition.blobsChanged(from: old)
        for file in added {
            blobs[file.blob]?.uses += 1
            guard blobs[file.blob]?.record.state == .pending else { continue }
            blobs[file.blob]?.record.state = .stored
            blobs[file.blob]?.record.bytes = file.bytes
            blobs[file.blob]?.record.sha256 = file.sha256
            blobs[file.blob]?.record.mediaType = file.mediaType
        }
        for id in released { release(id) }
    }

    /// One job fewer uses this blob. It no longer belongs to its writer either, or a long job's old checkpoints would stay.
    mutating func release(_ id: BlobID) {
        blobs[id]?.uses -= 1
        blobs[id]?.record.writer = nil
    }

    func blobIsThere(_ id: BlobID) -> Bool {
        blobs[id].map { $0.record.state != .deleting } ?? false
    }

    private mutating func append(_ transition: JobTransition, at now: Timestamp) {
        let id = transition.job.id
        guard var entry = entries[id] else { return }
        entries[id] = nil  // or the events would be copied
        let (kept, logs) = transition.eventsKept(logsBefore: entry.logs)
        entry.logs = logs
        if transition.job.progress == nil { entry.events.removeAll { $0.isProgress } }
        for detail in kept {
            if case .progress = detail { entry.events.removeAll { $0.isProgress } }
            sequence += 1
            entry.events.append(JobEvent(sequence: sequence, job: id, at: now, detail: detail))
        }
        entries[id] = entry
    }

    /// Running jobs, those whose lease ends first at the front.
    func runningByExpiry(where condition: (Job) -> Bool) -> [Job] {
        running.compactMap { entries[$0]?.job }.filter(condition).sorted {
            ($0.lease!.expiresAt, $0.id) < ($1.lease!.expiresAt, $1.id)
        }
    }
}

extension JobEvent {
    fileprivate var isProgress: Bool { if case .progress = detail { true } else { false } }
}
