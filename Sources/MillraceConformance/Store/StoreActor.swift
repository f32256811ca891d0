import MillraceCore
import MillraceQueue
import MillraceTestSupport

/// Carries out operations on one store.
struct StoreActor: Sendable {
    let bench: StoreBench

    init(_ bench: StoreBench) {
        self.bench = bench
    }

    func answer(_ operation: StoreOperation) async -> StoreAnswer {
        do {
            return try await carryOut(operation)
        } catch let error as MillraceError {
            return .failed(error.code.rawValue)
        } catch {
            return .failed("\(error)")
        }
    }

    private func carryOut(_ operation: StoreOperation) async throws -> StoreAnswer {
        let (store, now) = (bench.store, bench.clock.now)
        switch operation {
        case .advance(let duration): bench.clock.advance(by: duration)
        case .submit(let jobs, let quotas): return .admissions(try await store.admit(jobs, within: quotas))
        case .reserve(let blob): try await store.reserve(blob)
        case .seal(let blob): try await store.seal(blob, bytes: 9, sha256: "sealed", mediaType: "image/png")
        case .register(let worker): try await store.register(worker)
        case .touch(let worker): return .flag(try await store.touch(worker, readyAt: now))
        case .drain(let worker, let leader): try await store.drain([worker], by: leader)
        case .deregister(let worker): try await store.deregister(worker)
        case .removeWorkers(let age, let leader):
            return .workers(try await store.removeWorkers(notSeenSince: now - age, by: leader))
        case .lease(let demand): return .jobs(try await store.lease(demand))
        case .renew(let renewals): return .verdicts(try await store.renew(renewals))
        case .settle(let reports): return .verdicts(try await store.settle(reports))
        case .rescue(let limit, let leader): return .jobs(try await store.rescue(limit: limit, by: leader))
        case .abandon(let worker, let atRisk):
            return .jobs(try await store.abandon(worker: worker, atRisk: atRisk, reason: "signal 9", stderrTail: "Killed"))
        case .cancel(let job): return .job(try await store.cancel(job))
        case .retry(let job): return .job(try await store.retry(job))
        case .prune(let age, let keeping, let limit, let leader):
            let retention = EndpointRetention(endpoint: "ocr", age: age, jobsMax: keeping)
            return .count(try await store.prune(retention, at: now, limit: limit, by: leader))
        case .collect(let age, let limit, let leader): return .blobs(try await collect(olderThan: now - age, limit: limit, by: leader))
        case .claimDeliveries(let limit): return .deliveries(try await store.claimDeliveries(limit: limit, for: .seconds(20)))
        case .record(let delivery, let delivered, let retry):
            let attempt = DeliveryAttempt(at: now, status: delivered ? 200 : nil, error: delivered ? nil : "refused", delivered: delivered)
            return .flag(try await store.record(attempt, of: delivery.id, claim: delivery.claim!, next: retry.map { now + $0 }))
        case .setMode(let mode, let endpoint, let reason): try await store.setMode(mode, of: endpoint, reason: reason)
        case .cancelMatching(let filter, let limit): return .count(try await store.cancel(matching: filter, limit: limit))
        case .redriveMatching(let filter, let limit): return .count(try await store.redrive(matching: filter, limit: limit))
        case .count(let filter): return .count(try await store.count(matching: filter))
        case .list(let filter, let cursor, let limit): return .jobs(try await store.jobs(matching: filter, after: cursor, limit: limit))
        case .lead(let role, let candidate, let duration):
            return .leadership(try await store.lead(role, as: candidate, for: duration))
        case .resign(let leadership): try await store.resign(leadership)
        case .look(let job):
            guard let job else { return .nothing }
            return .standing(try await store.job(job), ahead: try await store.queuedAhead(of: job, countingTo: 5))
        }
        return .nothing
    }

    /// Claims unused blobs, forgets half of them, and leaves the rest to a later collection.
    private func collect(olderThan time: Timestamp, limit: Int, by leader: Leadership?) async throws -> [BlobID] {
        let claimed = try await bench.store.claimUnused(pendingBefore: time, unusedBefore: time, limit: limit, by: leader)
        try await bench.store.forget(Array(claimed.prefix((claimed.count + 1) / 2)))
        return claimed
    }
}
