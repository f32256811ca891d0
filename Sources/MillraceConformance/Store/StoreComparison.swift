import MillraceCore
import MillraceQueue
import MillraceTestSupport

/// Drives two stores through the same random operations and expects the same answers and the same state after each.
///
/// Both get a clock and random numbers of their own, with the same seed, so even tokens and backoffs are the same.
public enum StoreComparison {
    public typealias Opened = (store: any Store, clock: ManualClock)

    /// - Throws: ``ConformanceFailure`` with the seed, the step and what differs.
    public static func run(seed: UInt64, steps: Int, _ factories: (StoreFactory, StoreFactory)) async throws {
        let clocks = (ManualClock(seed: seed), ManualClock(seed: seed))
        let left = StoreActor(StoreBench(store: try await factories.0(clocks.0.surroundings), clock: clocks.0))
        let right = StoreActor(StoreBench(store: try await factories.1(clocks.1.surroundings), clock: clocks.1))
        var script = StoreScript(seed: seed)
        for step in 0..<steps {
            let operation = script.next()
            let (one, two) = (await left.answer(operation), await right.answer(operation))
            let place = "seed \(seed), step \(step), \(operation)"
            try expect(one == two, "\(place): the answers differ:\n\(one)\n\(two)")
            script.learn(from: one)
            guard step % 10 == 9 || step == steps - 1 else { continue }
            let (stateOne, stateTwo) = (try await left.state(script), try await right.state(script))
            for (a, b) in zip(stateOne, stateTwo) { try expect(a == b, "\(place): the states differ:\n\(a)\n\(b)") }
            try expectEqual(stateOne.count, stateTwo.count, place)
        }
    }
}

/// One operation, with all that it needs, so that it can be carried out twice.
enum StoreOperation: Sendable {
    case advance(Duration)
    case submit([NewJob])
    case reserve(BlobRecord)
    case seal(BlobID)
    case register(WorkerRecord)
    case touch(WorkerID)
    case drain(WorkerID)
    case deregister(WorkerID)
    case removeWorkers(age: Duration)
    case lease(LeaseDemand)
    case renew([LeaseRenewal])
    case settle([AttemptReport])
    case rescue(limit: Int)
    case abandon(WorkerID)
    case cancel(JobID)
    case retry(JobID)
    case prune(age: Duration, keeping: Int?, limit: Int)
    case collect(age: Duration, limit: Int)
    case claimDeliveries(limit: Int)
    case record(Delivery, delivered: Bool, retry: Duration?)
}

/// What a store answered.
enum StoreAnswer: Sendable, Equatable {
    case nothing
    case admissions([Admission])
    case jobs([Job])
    case verdicts([LeaseVerdict])
    case job(Job?)
    case flag(Bool)
    case count(Int)
    case blobs([BlobID])
    case workers([WorkerRecord])
    case deliveries([Delivery])
    case failed(String)
}

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
        case .submit(let jobs): return .admissions(try await store.admit(jobs))
        case .reserve(let blob): try await store.reserve(blob)
        case .seal(let blob): try await store.seal(blob, bytes: 9, sha256: "sealed", mediaType: "image/png")
        case .register(let worker): try await store.register(worker)
        case .touch(let worker): return .flag(try await store.touch(worker, readyAt: now))
        case .drain(let worker): try await store.drain([worker])
        case .deregister(let worker): try await store.deregister(worker)
        case .removeWorkers(let age): return .workers(try await store.removeWorkers(notSeenSince: now - age))
        case .lease(let demand): return .jobs(try await store.lease(demand))
        case .renew(let renewals): return .verdicts(try await store.renew(renewals))
        case .settle(let reports): return .verdicts(try await store.settle(reports))
        case .rescue(let limit): return .jobs(try await store.rescue(limit: limit))
        case .abandon(let worker):
            return .jobs(try await store.abandon(worker: worker, reason: "signal 9", stderrTail: "Killed"))
        case .cancel(let job): return .job(try await store.cancel(job))
        case .retry(let job): return .job(try await store.retry(job))
        case .prune(let age, let keeping, let limit): return .count(try await store.prune(EndpointRetention(endpoint: "ocr", age: age, jobsMax: keeping), at: now, limit: limit, by: nil))
        case .collect(let age, let limit): return .blobs(try await collect(olderThan: now - age, limit: limit))
        case .claimDeliveries(let limit): return .deliveries(try await store.claimDeliveries(limit: limit, for: .seconds(20)))
        case .record(let delivery, let delivered, let retry):
            let attempt = DeliveryAttempt(at: now, status: delivered ? 200 : nil, error: delivered ? nil : "refused", delivered: delivered)
            return .flag(try await store.record(attempt, of: delivery.id, claim: delivery.claim!, next: retry.map { now + $0 }))
        }
        return .nothing
    }

    /// Claims unused blobs, forgets half of them, and leaves the rest to a later collection.
    private func collect(olderThan time: Timestamp, limit: Int) async throws -> [BlobID] {
        let claimed = try await bench.store.claimUnused(pendingBefore: time, unusedBefore: time, limit: limit)
        try await bench.store.forget(Array(claimed.prefix((claimed.count + 1) / 2)))
        return claimed
    }

    /// Everything that can be seen of the store.
    func state(_ script: StoreScript) async throws -> [String] {
        let store = bench.store
        var lines: [String] = []
        for job in try await store.jobs(matching: JobFilter(), after: nil, limit: 10_000) {
            lines.append("\(job)")
            lines += try await store.events(of: job.id, after: 0, limit: 10_000).map { "\($0)" }
            lines += try await store.deliveries(of: job.id).map { "\($0)" }
        }
        for blob in script.blobs { lines.append("\(blob) \(String(describing: try await store.blob(blob)))") }
        lines += try await store.workers().map { "\($0)" }
        lines += try await store.backlog().map { "\($0)" }
        lines.append("\(String(describing: try await store.nextDeliveryAt()))")
        for states in [[.queued], [.running, .failed], [.cancelled, .expired, .succeeded]] as [Set<JobState>] {
            let jobs = try await store.jobs(matching: JobFilter(tenant: "acme", endpoint: "ocr", states: states), after: nil, limit: 7)
            lines.append("\(jobs.map(\.id))")
        }
        return lines
    }
}
