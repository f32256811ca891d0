import MillraceCore
import MillraceInference
import MillraceWire
import Synchronization

/// The leases that this worker holds, and what the next heartbeat has to say of each.
///
/// Kept by token, not by job: a worker that stood still may be given a job anew while its earlier attempt has not ended yet.
final class HeldJobs: Sendable {
    /// One lease. A class, so that a look at one field copies nothing; touched under the lock alone.
    final class Held {
        let leased: LeasedJob
        var stage = Stage.preparing
        var progress: JobProgress?
        var progressSent: JobProgress?
        var logs: [LogLine] = []
        var logsDropped = 0
        /// Why the job is to stop, once it is.
        var stop: CancellationReason?
        /// Stops the attempt while it runs.
        var stopper: (@Sendable () -> Void)?
        /// The attempt is over and is being reported; heartbeats go on but nothing can stop it any more.
        var settling = false

        init(_ leased: LeasedJob) { self.leased = leased }
    }

    /// How far the items of an attempt have come.
    enum Stage {
        /// None has been made yet.
        case preparing
        /// Some were made; none has been in a batch that ran.
        case waiting
        case running
    }

    /// Lines kept between two heartbeats; more are counted and dropped.
    fileprivate static let logLinesMax = 500

    private let state = Mutex<[LeaseToken: Held]>([:])
    /// Who waits for a place.
    private let watchers = Mutex<[Int: AsyncStream<Void>.Continuation]>([:])
    /// Which lease each running item belongs to.
    private let items = Mutex<[ItemID: LeaseToken]>([:])

    var count: Int { state.withLock(\.count) }
    var isEmpty: Bool { count == 0 }
    /// Those whose attempt is not over.
    var unsettledCount: Int { state.withLock { $0.values.count { !$0.settling } } }
    var tokens: [LeaseToken] { state.withLock { Array($0.keys) } }

    func add(_ jobs: [LeasedJob]) {
        state.withLock { held in
            for leased in jobs { held[leased.token] = Held(leased) }
        }
    }

    /// Says how the attempt is stopped now that it runs; stops it at once when a stop came before.
    func start(_ token: LeaseToken, stopper: @escaping @Sendable () -> Void) {
        let stopped = state.withLock { held in
            // The attempt may be over already.
            guard let entry = held[token], !entry.settling else { return false }
            entry.stopper = stopper
            return entry.stop != nil
        }
        if stopped { stopper() }
    }

    func leased(_ token: LeaseToken) -> LeasedJob? {
        state.withLock { $0[token]?.leased }
    }

    func remove(_ tokens: some Sequence<LeaseToken>) {
        state.withLock { held in
            for token in tokens { held[token] = nil }
        }
        for watcher in watchers.withLock({ Array($0.values) }) { watcher.yield() }
    }

    /// A hint now and each time that jobs have ended; whoever gets one looks at ``count`` itself.
    func departures() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let id = watchers.withLock { watchers in
            let id = (watchers.keys.max() ?? 0) + 1
            watchers[id] = continuation
            return id
        }
        continuation.onTermination = { [weak self] _ in self?.watchers.withLock { _ = $0.removeValue(forKey: id) } }
        continuation.yield()
        return stream
    }

    func stop(_ token: LeaseToken, reason: CancellationReason) {
        let stopper = state.withLock { held -> (@Sendable () -> Void)? in
            guard let entry = held[token] else { return nil }
            // A lost lease outranks everything: what is reported would be refused.
            guard reason == .lost || (entry.stop == nil && !entry.settling) else { return nil }
            entry.stop = reason
            return entry.stopper
        }
        stopper?()
    }

    func stopAll(reason: CancellationReason) {
        for token in tokens { stop(token, reason: reason) }
    }

    func stopReason(_ token: LeaseToken) -> CancellationReason? {
        state.withLock { $0[token]?.stop }
    }

    /// Waits until fewer than `limit` jobs are held, or the task is cancelled.
    func waitForRoom(below limit: Int) async {
        for await _ in departures() where count < limit { return }
    }
}

// What happens inside a job.
extension HeldJobs {
    func assign(_ item: ItemID, to token: LeaseToken) {
        items.withLock { $0[item] = token }
        state.withLock { held in
            if let entry = held[token], entry.stage == .preparing { entry.stage = .waiting }
        }
    }
    func unassign(_ item: ItemID) { items.withLock { _ = $0.removeValue(forKey: item) } }
    func lease(of item: ItemID) -> LeasedJob? {
        items.withLock { $0[item] }.flatMap { leased($0) }
    }

    /// Notes that items run now.
    func begin(_ begun: [ItemID]) {
        let tokens = items.withLock { items in items.isEmpty ? [] : begun.compactMap { items[$0] } }
        guard !tokens.isEmpty else { return }
        state.withLock { held in
            for token in tokens { held[token]?.stage = .running }
        }
    }

    func stage(_ token: LeaseToken) -> Stage? { state.withLock { $0[token]?.stage } }

    func progress(_ progress: JobProgress, of token: LeaseToken) {
        state.withLock { $0[token]?.progress = progress }
    }

    func log(_ line: LogLine, of token: LeaseToken) {
        state.withLock { held in
            guard let entry = held[token] else { return }
            if entry.logs.count < Self.logLinesMax { entry.logs.append(line) } else { entry.logsDropped += 1 }
        }
    }

    /// The lease whose job's log takes a line that no item claims: the only one held.
    var onlyLease: LeaseToken? { state.withLock { $0.count == 1 ? $0.keys.first : nil } }

    /// What a heartbeat carries. Lines that could not be sent come back through ``restore(_:)``.
    func heartbeatItems() -> [HeartbeatRequest.Item] {
        state.withLock { held in
            held.values.map { entry in
                let item = HeartbeatRequest.Item(
                    job: entry.leased.id, token: entry.leased.token, progress: entry.progressUnsent, logs: entry.takeLogs())
                entry.progressSent = entry.progress
                return item
            }
        }
    }

    func restore(_ items: [HeartbeatRequest.Item]) {
        state.withLock { held in
            for item in items {
                guard let entry = held[item.token] else { continue }
                entry.restore(item.logs)
                if item.progress != nil { entry.progressSent = nil }
            }
        }
    }

    /// The last words for the settlement; from now on no stop but a lost lease counts.
    func beginSettling(_ token: LeaseToken) -> (logs: [LogLine], progress: JobProgress?) {
        state.withLock { held in
            guard let entry = held[token] else { return ([], nil) }
            entry.settling = true
            entry.stopper = nil
            return (entry.takeLogs(), entry.progressUnsent)
        }
    }
}

extension HeldJobs.Held {
    fileprivate var progressUnsent: JobProgress? { progress == progressSent ? nil : progress }

    /// Puts lines back that could not be sent; what is over the limit is counted and dropped.
    fileprivate func restore(_ lines: [LogLine]) {
        logs = lines + logs
        logsDropped += max(0, logs.count - HeldJobs.logLinesMax)
        logs = Array(logs.prefix(HeldJobs.logLinesMax))
    }

    fileprivate func takeLogs() -> [LogLine] {
        defer {
            logs = []
            logsDropped = 0
        }
        return logsDropped == 0 ? logs : logs + [LogLine(level: .warning, message: "... \(logsDropped) lines dropped: too many at once")]
    }
}
