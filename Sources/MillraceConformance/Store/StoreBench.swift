import MillraceCore
import MillraceQueue
import MillraceTestSupport

/// A store with its clock and the short forms that the cases are written in.
struct StoreBench: Sendable {
    let store: any Store
    let clock: ManualClock
    var surroundings: Surroundings { clock.surroundings }

    init(_ factory: StoreFactory) async throws {
        clock = ManualClock()
        store = try await factory(clock.surroundings)
    }

    init(store: any Store, clock: ManualClock) {
        self.store = store
        self.clock = clock
    }

    func submit(_ job: Job? = nil) async throws -> Job {
        let job = job ?? .fixture(in: surroundings)
        switch try head(of: try await store.admit([NewJob(job: job)])) {
        case .admitted(let admitted): return admitted
        case .refused(let error): throw error
        case let other: throw ConformanceFailure(description: "a job without a key was not admitted: \(other)")
        }
    }

    func worker(endpoint: String = "ocr", variant: String = "a") async throws -> WorkerID {
        let record = WorkerRecord.fixture(endpoint: endpoint, variant: variant, in: surroundings)
        try await store.register(record)
        return record.id
    }

    func lease(
        _ worker: WorkerID, jobsMax: Int = 100, endpoint: String = "ocr", variant: String = "a", for duration: Duration = .seconds(15)
    ) async throws -> [Job] {
        // Whoever asks for work has been heard; a gateway touches the worker before it leases.
        _ = try await store.touch(worker, readyAt: nil)
        return try await store.lease(
            LeaseDemand(worker: worker, endpoint: endpoint, variant: variant, jobsMax: jobsMax, duration: duration))
    }

    /// Submits a job and leases it by a new worker.
    func running(_ job: Job? = nil) async throws -> Job {
        let submitted = try await submit(job)
        let worker = try await worker(endpoint: submitted.endpoint, variant: submitted.variant)
        let leased = try await lease(worker, endpoint: submitted.endpoint, variant: submitted.variant)
        return try require(leased.first { $0.id == submitted.id }, "leased job")
    }

    func settle(_ job: Job, _ outcome: AttemptReport.Outcome, logs: [LogLine] = []) async throws -> LeaseVerdict {
        let token = try require(job.lease?.token, "lease of the job")
        return try head(of: try await store.settle([AttemptReport(job: job.id, token: token, outcome: outcome, logs: logs)]))
    }

    func renew(
        _ job: Job, for duration: Duration = .seconds(15), progress: JobProgress? = nil, logs: [LogLine] = [],
        checkpoint: JobCheckpoint? = nil
    ) async throws -> LeaseVerdict {
        let token = try require(job.lease?.token, "lease of the job")
        return try head(of: try await store.renew([
            LeaseRenewal(job: job.id, token: token, duration: duration, progress: progress, logs: logs, checkpoint: checkpoint)
        ]))
    }

    func found(_ job: Job) async throws -> Job {
        try require(try await store.job(job.id), "job \(job.id)")
    }

    func reserved(writer: JobID? = nil, tenant: String = "acme") async throws -> JobFile {
        let blob = BlobRecord.fixture(tenant: tenant, writer: writer, in: surroundings)
        try await store.reserve(blob)
        return .fixture(blob.id)
    }

    /// Collects everything that may go, however young, and says what went.
    func collect(pendingOlderThan pending: Duration = .zero, unusedOlderThan unused: Duration = .zero) async throws -> Set<BlobID> {
        clock.advance(by: .milliseconds(1))
        let now = clock.now
        return Set(try await store.claimUnused(pendingBefore: now - pending, unusedBefore: now - unused, limit: 1000))
    }

    /// Prunes what ended before a time.
    func prune(finishedBefore time: Timestamp, keeping jobsMax: Int? = nil, limit: Int) async throws -> Int {
        let retention = EndpointRetention(endpoint: "ocr", age: clock.now.since(time), jobsMax: jobsMax)
        return try await store.prune(retention, at: clock.now, limit: limit, by: nil)
    }

    func states(_ job: Job) async throws -> [StateChange] {
        try await store.events(of: job.id, after: 0, limit: 10_000).compactMap {
            if case .state(let change) = $0.detail { change } else { nil }
        }
    }

    func expectError(
        _ code: ErrorCode, file: String = #fileID, line: Int = #line, _ body: () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch let error as MillraceError {
            return try expectEqual(error.code, code, "error code", file: file, line: line)
        }
        throw ConformanceFailure(description: "\(file):\(line): no error was thrown, expected \(code)")
    }
}

extension JobFailure {
    static let retryable = JobFailure(.handlerError, "it went wrong", retryable: true)
    static let final = JobFailure(.invalidInput, "it cannot go right", retryable: false)
}
