import HeapModule
import Synchronization

/// Sleeping tasks, woken by one timer for all.
///
/// A sleep of Swift's own that is cancelled leaves its timer behind, which wakes two threads when its time comes. A worker's wait for
/// work is such a sleep, cancelled with every job.
final class Alarms: Sendable {
    private typealias Instant = ContinuousClock.Instant

    private struct Alarm: Comparable {
        var at: Instant
        var id: UInt64
        static func < (left: Self, right: Self) -> Bool { (left.at, left.id) < (right.at, right.id) }
    }
    private struct State {
        var lastID: UInt64 = 0
        /// The alarms of cancelled sleeps stay until their time.
        var alarms = Heap<Alarm>()
        var sleepers: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        /// Sleeps that were cancelled before they began.
        var cancelled: Set<UInt64> = []
        /// When the timer fires; `nil`: there is none.
        var timer: Instant?
        /// All timers under way. One that was overtaken by an earlier one is taken up again when its turn comes.
        var started: Set<Instant> = []
    }
    private let state = Mutex(State())

    static let shared = Alarms()

    var timersUnderWay: Int { state.withLock { $0.started.count } }

    /// - Throws: `CancellationError`.
    func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        // A cancellation that came too late has found no sleeper.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { begin(id, until: .now + duration, $0) }
        } onCancel: {
            cancel(id)
        }
    }

    private func begin(_ id: UInt64, until end: Instant, _ sleeper: CheckedContinuation<Void, any Error>) {
        let (isCancelled, timer) = state.withLock { state -> (Bool, Instant?) in
            guard state.cancelled.remove(id) == nil else { return (true, nil) }
            state.sleepers[id] = sleeper
            state.alarms.insert(Alarm(at: end, id: id))
            return (false, Self.timer(for: &state))
        }
        if isCancelled { sleeper.resume(throwing: CancellationError()) }
        if let timer { start(timer) }
    }

    private func cancel(_ id: UInt64) {
        let sleeper = state.withLock { state in
            let sleeper = state.sleepers.removeValue(forKey: id)
            if sleeper == nil { state.cancelled.insert(id) }
            return sleeper
        }
        sleeper?.resume(throwing: CancellationError())
    }

    /// The timer that must be started: none fires in time for the next alarm.
    private static func timer(for state: inout State) -> Instant? {
        guard let next = state.alarms.min?.at, state.timer.map({ next < $0 }) ?? true else { return nil }
        state.timer = next
        return state.started.insert(next).inserted ? next : nil
    }

    private func start(_ timer: Instant) {
        // Unstructured: it belongs to no one sleep.
        Task.detached {
            try? await ContinuousClock().sleep(until: timer)
            self.ring(timer)
        }
    }

    private func ring(_ timer: Instant) {
        let (due, next) = state.withLock { state -> ([CheckedContinuation<Void, any Error>], Instant?) in
            state.started.remove(timer)
            // One that was overtaken and not taken up again has nothing to do.
            guard state.timer == timer else { return ([], nil) }
            state.timer = nil
            let now = Instant.now
            var due: [CheckedContinuation<Void, any Error>] = []
            while let alarm = state.alarms.min, alarm.at <= now || state.sleepers[alarm.id] == nil {
                state.alarms.removeMin()
                if let sleeper = state.sleepers.removeValue(forKey: alarm.id) { due.append(sleeper) }
            }
            return (due, Self.timer(for: &state))
        }
        for sleeper in due { sleeper.resume() }
        if let next { start(next) }
    }
}
