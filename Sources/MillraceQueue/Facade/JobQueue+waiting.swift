import MillraceCore
import Synchronization

extension JobQueue {
    /// Waits until a job is final, at most for `limit`.
    ///
    /// - Returns: the job as it is then, final or not; `nil` when there is none.
    public func wait(for job: JobID, untilFinalOr limit: Duration) async throws -> Job? {
        var found: Job?
        _ = try await look(atMost: limit, on: .job(job)) {
            found = try await store.job(job)
            return found?.state.isFinal ?? true
        }
        return found
    }

    /// Leases as ``lease(_:waiting:)`` does. When the task was cancelled while jobs were being leased, they are given back at
    /// once: nobody would run them.
    public func leaseWaiting(_ demand: LeaseDemand, atMost limit: Duration) async throws -> [Job] {
        let jobs = try await lease(demand, waiting: limit)
        guard Task.isCancelled else { return jobs }
        _ = try await settle(jobs.compactMap { job in
            job.lease.map { AttemptReport(job: job.id, token: $0.token, outcome: .released(reason: "the worker went away")) }
        })
        throw CancellationError()
    }

    /// Where a queued job stands and when it may start; `nil` when there is no such job or it is not queued.
    public func standing(of id: JobID) async throws -> QueueStanding? {
        guard let job = try await store.job(id), let ahead = try await store.queuedAhead(of: id, countingTo: Self.aheadCountMax) else { return nil }
        let lanes = try await store.lanes(of: job.endpoint)
        let rate = ServiceRate(try await store.serviceTimes(of: job.endpoint, limit: Self.serviceTimesMax))
        return QueueStanding(of: job, ownAhead: ahead, lanes: lanes, rate: rate, at: surroundings.now())
    }

    /// Past this a position is a lower bound: counting on would cost more than it tells.
    public static let aheadCountMax = 100_000
    static let serviceTimesMax = 100

    /// The events of a job after a sequence number, and those to come, until the job is final.
    ///
    /// The stream reads on only as fast as it is consumed, a page at a time. It throws `job_unknown` when there is no job.
    public func events(of job: JobID, after sequence: Int64 = 0) -> AsyncThrowingStream<JobEvent, any Error> {
        let follower = EventFollower(queue: self, job: job, after: sequence)
        return AsyncThrowingStream { try await follower.next() }
    }

    /// Looks until a look finds what it seeks, at most for `limit`: at once, after each hint, and after each
    /// ``pollInterval`` without one.
    ///
    /// Looks follow each other no faster than ``lookInterval``, or a busy queue would make all waiters look all the time.
    /// - Returns: whether it was found.
    func look(atMost limit: Duration, on topic: StoreChanges.Topic, _ look: () async throws -> Bool) async throws -> Bool {
        var left = limit
        while true {
            // A new subscription each time: a stream ends for good with the first wait on it that is over.
            let hints = changes.hints(topic)
            let start = surroundings.now()
            if try await look() { return true }
            guard left > .zero else { return false }
            let slice = min(left, Self.pollInterval)
            try await StoreChanges.wait(for: hints, atMost: slice, in: surroundings)
            let rest = min(Self.lookInterval - surroundings.now().since(start), Self.lookInterval)
            if rest > .zero { try await surroundings.sleep(min(rest, left)) }
            // A wall clock that is set makes a wait shorter or longer by one slice, not by hours.
            left -= min(max(surroundings.now().since(start), .milliseconds(1)), slice)
        }
    }

    static let lookInterval: Duration = .milliseconds(10)
}

/// Reads the events of one job as they come.
private final class EventFollower: Sendable {
    private struct State {
        var sequence: Int64
        var page: ArraySlice<JobEvent> = []
        var hasFoundJob = false
    }
    private let queue: JobQueue
    private let job: JobID
    private let state: Mutex<State>

    static let pageSize = 100

    init(queue: JobQueue, job: JobID, after sequence: Int64) {
        self.queue = queue
        self.job = job
        state = Mutex(State(sequence: sequence))
    }

    func next() async throws -> JobEvent? {
        if let event = take() { return event }
        var isOver = false
        while !isOver {
            _ = try await queue.look(atMost: .seconds(3600), on: .job(job)) {
                // The state first: what comes after it is read is read below.
                isOver = try await isFinal()
                return try await readPage() || isOver
            }
            if let event = take() { return event }
        }
        return nil
    }

    private func take() -> JobEvent? {
        state.withLock { state in
            guard let event = state.page.popFirst() else { return nil }
            state.sequence = event.sequence
            return event
        }
    }

    /// A job that was pruned meanwhile is over, too.
    private func isFinal() async throws -> Bool {
        let found = try await queue.job(job)
        let isKnown = state.withLock { state in
            state.hasFoundJob = state.hasFoundJob || found != nil
            return state.hasFoundJob
        }
        guard isKnown else { throw MillraceError(.jobUnknown, "there is no job \(job)") }
        return found?.state.isFinal ?? true
    }

    private func readPage() async throws -> Bool {
        let sequence = state.withLock { $0.sequence }
        let page = try await queue.events(of: job, after: sequence, limit: Self.pageSize)
        state.withLock { $0.page = page[...] }
        return !page.isEmpty
    }
}
