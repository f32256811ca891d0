import MillraceCore
import MillraceQueue
import MillraceQueueSQLite

/// The queue as the server composes it, over a SQLite file with its defaults, and one worker that is registered there.
struct BenchQueue {
    private let store: SQLiteStore
    private let queue: JobQueue
    private let worker: WorkerID

    static let endpoint = "noop"
    static let surroundings = Surroundings.system

    init(path: String) async throws {
        store = try SQLiteStore(path: path)
        queue = JobQueue(store)
        if let known = try await queue.workers().first(where: { $0.endpoint == Self.endpoint }) {
            worker = known.id
        } else {
            let now = Self.surroundings.now()
            worker = Self.surroundings.makeID()
            try await queue.register(
                WorkerRecord(
                    id: worker, endpoint: Self.endpoint, variant: "a", instance: "bench", host: "localhost", processID: 1,
                    startedAt: now, seenAt: now, idleSince: now))
        }
        _ = try await queue.touch(worker, readyAt: Self.surroundings.now())
    }

    /// Afterwards the file is complete without its log.
    func close() throws { try store.close() }

    func admit(_ count: Int) async throws {
        let now = Self.surroundings.now()
        let jobs = (0..<count).map { number in
            NewJob(
                job: Job(
                    id: Self.surroundings.makeID(), tenant: "default", endpoint: Self.endpoint,
                    input: RawJSON(.object(["n": .integer(Int64(number))])), createdAt: now))
        }
        let admitted = try await queue.admit(jobs).count { if case .admitted = $0 { true } else { false } }
        guard admitted == count else { throw MillraceError(.internal, "\(admitted) of \(count) jobs were admitted") }
    }

    /// - Throws: when fewer than a full batch is due.
    func lease(_ count: Int) async throws -> [Job] {
        let demand = LeaseDemand(worker: worker, endpoint: Self.endpoint, variant: "a", jobsMax: count, duration: .seconds(24 * 3600))
        let jobs = try await queue.lease(demand)
        guard jobs.count == count else { throw MillraceError(.internal, "\(jobs.count) of \(count) jobs were leased") }
        return jobs
    }

    func complete(_ jobs: [Job]) async throws {
        let reports = jobs.compactMap { job in
            job.lease.map { AttemptReport(job: job.id, token: $0.token, outcome: .succeeded(outputs: [])) }
        }
        let held = try await queue.settle(reports).count { $0 == .held }
        guard held == jobs.count else { throw MillraceError(.internal, "\(held) of \(jobs.count) jobs were completed") }
    }

    /// How many jobs the store says wait.
    func queued() async throws -> Int {
        try await queue.backlog().first { $0.endpoint == Self.endpoint }?.ready ?? 0
    }
}
