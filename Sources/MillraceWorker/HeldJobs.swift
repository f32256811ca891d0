import MillraceCore
import MillraceInference
import MillraceWire
import Synchronization

/// The jobs that this worker holds a lease on, and what the next heartbeat has to say of each.
final class HeldJobs: Sendable {
    struct Held {
        let leased: LeasedJob
        var progress: JobProgress?
        var progressSent: JobProgress?
        var logs: [LogLine] = []
        var logsDropped = 0
        /// Why the job is to stop, once it is.
        var stop: CancellationReason?
        var task: Task<Void, Never>?
        /// The attempt is over and is being reported; heartbeats go on but nothing can stop it any more.
        var settling = false
    }

    /// Lines kept between two heartbeats; more are counted and dropped.
    private static let logLinesMax = 500

    private let state = Mutex<[JobID: Held]>([:])
    /// Who waits for a place: streams of the number of jobs held.
    private let watchers = Mutex<[Int: AsyncStream<Int>.Continuation]>([:])
    /// Which job each running item belongs to.
    private let items = Mutex<[ItemID: JobID]>([:])

    var count: Int { state.withLock(\.count) }
    var isEmpty: Bool { count == 0 }
    var tokens: [LeaseToken] { state.withLock { $0.values.map(\.leased.token) } }

    func add(_ leased: LeasedJob) {
        state.withLock { $0[leased.id] = Held(leased: leased) }
    }

    /// Gives the job its task; stops it at once when a stop came before.
    func start(_ job: JobID, _ task: Task<Void, Never>) {
        let stopped = state.withLock { held in
            held[job]?.task = task
            return held[job]?.stop != nil
        }
        if stopped { task.cancel() }
    }

    func leased(_ job: JobID) -> LeasedJob? {
        state.withLock { $0[job]?.leased }
    }

    func remove(_ job: JobID) {
        let count = state.withLock { held in
            held[job] = nil
            return held.count
        }
        for watcher in watchers.withLock({ Array($0.values) }) { watcher.yield(count) }
    }

    /// The number of jobs held, now and each time that one has ended.
    func counts() -> AsyncStream<Int> {
        let (stream, continuation) = AsyncStream<Int>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let id = watchers.withLock { watchers in
            let id = (watchers.keys.max() ?? 0) + 1
            watchers[id] = continuation
            return id
        }
        continuation.onTermination = { [weak self] _ in self?.watchers.withLock { _ = $0.removeValue(forKey: id) } }
        continuation.yield(count)
        return stream
    }

    func stop(_ job: JobID, reason: CancellationReason) {
        let task = state.withLock { held -> Task<Void, Never>? in
            guard let entry = held[job] else { return nil }
            // A lost lease outranks everything: what is reported would be refused.
            guard reason == .lost || (entry.stop == nil && !entry.settling) else { return nil }
            held[job]?.stop = reason
            return entry.task
        }
        task?.cancel()
    }

    func stopAll(reason: CancellationReason) {
        for job in state.withLock({ Array($0.keys) }) { stop(job, reason: reason) }
    }

    func stopReason(_ job: JobID) -> CancellationReason? {
        state.withLock { $0[job]?.stop }
    }

    func waitForAll() async {
        while let task = state.withLock({ $0.values.lazy.compactMap(\.task).first }) { await task.value }
    }
}

// What happens inside a job.
extension HeldJobs {
    func assign(_ item: ItemID, to job: JobID) { items.withLock { $0[item] = job } }
    func unassign(_ item: ItemID) { items.withLock { _ = $0.removeValue(forKey: item) } }
    func job(of item: ItemID) -> LeasedJob? {
        items.withLock { $0[item] }.flatMap { job in state.withLock { $0[job]?.leased } }
    }

    func progress(_ progress: JobProgress, of job: JobID) {
        state.withLock { $0[job]?.progress = progress }
    }

    func log(_ line: LogLine, of job: JobID) {
        state.withLock { held in
            guard let count = held[job]?.logs.count else { return }
            if count < Self.logLinesMax { held[job]?.logs.append(line) } else { held[job]?.logsDropped += 1 }
        }
    }

    /// The job whose log takes a line that no item claims: the only one held.
    var onlyJob: JobID? { state.withLock { $0.count == 1 ? $0.keys.first : nil } }

    /// What a heartbeat carries. Lines that could not be sent come back through ``restore(_:)``.
    func heartbeatItems() -> [HeartbeatRequest.Item] {
        state.withLock { held in
            held.values.map(\.leased).map { leased in
                var entry = held[leased.id]!
                let item = HeartbeatRequest.Item(
                    job: leased.id, token: leased.token, progress: entry.progress == entry.progressSent ? nil : entry.progress,
                    logs: entry.takeLogs())
                entry.progressSent = entry.progress
                held[leased.id] = entry
                return item
            }
        }
    }

    func restore(_ items: [HeartbeatRequest.Item]) {
        state.withLock { held in
            for item in items where held[item.job] != nil {
                held[item.job]!.logs.insert(contentsOf: item.logs, at: 0)
                if item.progress != nil { held[item.job]!.progressSent = nil }
            }
        }
    }

    /// The last words for the settlement; from now on no stop but a lost lease counts.
    func beginSettling(_ job: JobID) -> (logs: [LogLine], progress: JobProgress?, stop: CancellationReason?) {
        state.withLock { held in
            guard var entry = held[job] else { return ([], nil, .lost) }
            entry.settling = true
            let logs = entry.takeLogs()
            held[job] = entry
            return (logs, entry.progress == entry.progressSent ? nil : entry.progress, entry.stop)
        }
    }
}

extension HeldJobs.Held {
    fileprivate mutating func takeLogs() -> [LogLine] {
        defer {
            logs = []
            logsDropped = 0
        }
        return logsDropped == 0 ? logs : logs + [LogLine(level: .warning, message: "... \(logsDropped) lines dropped: too many at once")]
    }
}
