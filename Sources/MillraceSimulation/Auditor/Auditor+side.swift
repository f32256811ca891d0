import MillraceCore
import MillraceQueue

// Calls that are not about a job: workers, blobs, deliveries, retention.
extension Auditor {
    func answeredOnTheSide(_ call: StoreCall, _ reply: StoreReply) throws {
        switch (call, reply) {
        case (.register(let worker), _):
            workers[worker.id] = workers[worker.id] ?? false
            if processes.updateValue(worker.startedAt, forKey: worker.id) != worker.startedAt { requests[worker.id] = nil }
            seenAt[worker.id] = worker.seenAt
            // A gateway writes when it heard of it, by its own clock.
            heard[worker.id] = nil
        case (.touch(let worker, _), .flag(let isDraining)):
            guard workers[worker] == isDraining else { throw Violation(.store, nil, "a worker's draining is not what it was") }
            heard[worker] = world.now
            seenAt[worker] = now
        case (.drain(let ids), _):
            for id in ids where workers[id] != nil { workers[id] = true }
        case (.removeWorkers, .workers(let gone)):
            for worker in gone { try forgotten(worker.id) }
        case (.reserve(let blob), _):
            blobs[blob.id] = AuditedBlob(writer: blob.writer, createdAt: blob.createdAt)
        case (.claimUnused(let pending, let unused, _, _), .blobs(let claimed)):
            try collected(claimed, before: max(pending, unused))
        case (.forget(let ids), _):
            for id in ids where blobs[id]?.isDeleting == true { blobs[id] = nil }
        case (.claimDeliveries(let limit, let duration), .deliveries(let claimed)): try claimedDeliveries(claimed, limit, duration)
        case (.record(let attempt, let id, let claim, let next), .flag(let isRecorded)):
            try recorded(attempt, id, claim, next, isRecorded)
        case (.setMode(let mode, let endpoint), _): modes[endpoint] = mode == .open ? nil : mode
        case (.lead(let role, let candidate, let duration), .leadership(let granted)): try led(role, candidate, duration, granted)
        case (.resign(let leadership), _): resigned(leadership)
        default: break
        }
    }

    /// What is known of a worker that is known no more.
    func forgetWorker(_ worker: WorkerID) {
        (workers[worker], requests[worker], processes[worker], seenAt[worker]) = (nil, nil, nil, nil)
    }

    func mayBeUsed(_ blob: BlobID) -> Bool { blobs[blob].map { !$0.isDeleting } ?? false }

    /// A worker is forgotten after four leases of silence; the clock that says so may be a little off.
    private func forgotten(_ worker: WorkerID) throws {
        forgetWorker(worker)
        guard let last = heard.removeValue(forKey: worker) else { return }
        let early = clockSteps.filter { $0.at >= last }.reduce(0) { $0 + max($1.size, 0) }
        guard world.now - last + early >= 4 * Timing.lease - 2 * Gateway.offsetMax else {
            throw Violation(.store, nil, "a worker was forgotten \(world.now - last) ms after it was heard")
        }
    }

    // MARK: Blobs

    private func collected(_ claimed: [BlobID], before time: Timestamp) throws {
        guard !claimed.isEmpty else { return }
        var used: [BlobID: JobID] = [:]
        for known in jobs.values { for file in known.job.blobsUsed { used[file.blob] = known.job.id } }
        for id in claimed {
            guard let blob = blobs[id] else { throw Violation(.blob, nil, "a blob was collected that is not there") }
            if let job = used[id] { throw Violation(.blob, job, "a blob that it needs was collected") }
            if !blob.isDeleting, blob.createdAt >= time { throw Violation(.blob, blob.writer, "a blob was collected too early") }
            blobs[id]?.isDeleting = true
        }
    }

    // MARK: Deliveries

    private func claimedDeliveries(_ claimed: [Delivery], _ limit: Int, _ duration: Duration) throws {
        for delivery in claimed {
            guard let known = deliveries[delivery.id] else {
                throw Violation(.webhook, delivery.snapshot.id, "a webhook was taken that was never written")
            }
            guard known.isPending, known.availableAt <= now else {
                throw Violation(.webhook, known.job, "its webhook was taken by two senders at once, or before its time, or after its end")
            }
            deliveries[delivery.id]?.claim = delivery.claim
            deliveries[delivery.id]?.availableAt = now + duration
        }
    }

    private func recorded(
        _ attempt: DeliveryAttempt, _ id: DeliveryID, _ claim: LeaseToken, _ next: Timestamp?, _ isRecorded: Bool
    ) throws {
        guard let known = deliveries[id] else {
            if isRecorded { throw Violation(.webhook, nil, "a try was recorded of a webhook that is not there") }
            return
        }
        guard isRecorded == (known.isPending && known.claim == claim) else {
            throw Violation(.fence, known.job, isRecorded ? "a try was recorded with a stale claim" : "a try was refused to the claim's holder")
        }
        guard isRecorded else { return }
        world.note("store", attempt.delivered ? "notes a webhook as delivered" : "notes a try of a webhook", job: known.job)
        deliveries[id]?.claim = nil
        if !attempt.delivered, let next {
            deliveries[id]?.availableAt = next
        } else {
            deliveries[id]?.isPending = false
            waitingDeliveries.remove(id)
        }
        if attempt.delivered, !receivedIDs.contains(id) {
            throw Violation(.webhook, known.job, "a webhook counts as delivered that nobody has")
        }
    }

    // MARK: Retention

    /// Those that ended first, of which nothing is still to be told: past their age, or past the number that is kept.
    func prunedJobs(_ endpoint: EndpointRetention, at time: Timestamp, _ limit: Int, _ count: Int) async throws {
        let finished = jobs.values.filter { $0.job.endpoint == endpoint.endpoint && $0.job.state.isFinal }
            .sorted { ($0.job.finishedAt!, $0.order) < ($1.job.finishedAt!, $1.order) }
        let told = finished.filter { known in known.deliveries.allSatisfy { deliveries[$0]?.isPending == false } }
        let surplus = endpoint.jobsMax.map { max(0, finished.count - $0) } ?? 0
        let old = told.enumerated().filter { $0.offset < surplus || $0.element.job.finishedAt! < time - endpoint.age }
            .map(\.element.job).prefix(limit)
        guard old.count == count else {
            throw Violation(.lost, nil, "\(count) jobs were removed after their time; \(old.count) should have been")
        }
        for job in old {
            guard try await store.job(job.id) == nil else { throw Violation(.store, job.id, "another job was removed in its place") }
            forget(job)
        }
    }

    private func forget(_ job: Job) {
        if let known = jobs.removeValue(forKey: job.id) {
            for delivery in known.deliveries { deliveries[delivery] = nil }
            if let key = known.idempotency { keys[IdempotencyKey(tenant: job.tenant, key: key.key)] = nil }
        }
        pruned.insert(job.id)
    }
}
