import MillraceCore
import Synchronization

/// Time that stands still until a test moves it, and seeded randomness: ``surroundings`` for the code under test.
///
/// Two clocks tick in it, as in a real machine: ``advance(by:)`` moves both, ``step(by:)`` only the wall clock, as a
/// time server or an administrator does. Sleeping follows the first.
public final class ManualClock: Sendable {
    private struct State {
        var wall: Timestamp
        var elapsed: Duration = .zero
        var random: SplitMix64
        var nextID = 0
        var sleepers: [Int: Sleeper] = [:]
        var watchers: [Int: Watcher] = [:]
    }
    private struct Sleeper {
        var deadline: Duration
        var continuation: CheckedContinuation<Void, any Error>
    }
    private struct Watcher {
        var count: Int
        var continuation: CheckedContinuation<Void, any Error>
    }
    private let state: Mutex<State>

    /// - Parameter start: 2026-01-01T00:00:00Z unless given.
    public init(at start: Timestamp = Timestamp(milliseconds: 1_767_225_600_000), seed: UInt64 = 1) {
        state = Mutex(State(wall: start, random: SplitMix64(seed: seed)))
    }

    public var surroundings: Surroundings {
        Surroundings(
            now: { self.now },
            sleep: { try await self.sleep(for: $0) },
            random: { self.state.withLock { $0.random.next() } })
    }

    public var now: Timestamp { state.withLock { $0.wall } }

    /// How many tasks sleep now.
    public var sleepers: Int { state.withLock { $0.sleepers.count } }

    /// Lets time pass and wakes whoever has slept long enough, in the order of their deadlines.
    public func advance(by duration: Duration) {
        let woken = state.withLock { state in
            state.wall = state.wall + duration
            state.elapsed += duration
            let due = state.sleepers.filter { $0.value.deadline <= state.elapsed }
            for id in due.keys { state.sleepers[id] = nil }
            return due.sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }.map(\.value.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    /// Moves the wall clock alone, forwards or back.
    public func step(by duration: Duration) {
        state.withLock { $0.wall = $0.wall + duration }
    }

    /// Returns when at least `count` tasks sleep: the code under test has come to rest and time may go on.
    public func waitForSleepers(_ count: Int = 1) async throws {
        let id = makeID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Void, any Error>? = state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.sleepers.count >= count { return .success(()) }
                    state.watchers[id] = Watcher(count: count, continuation: continuation)
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            state.withLock { $0.watchers.removeValue(forKey: id) }?.continuation.resume(throwing: CancellationError())
        }
    }

    private func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        guard duration > .zero else { return }
        let id = makeID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let watchers: [Watcher]? = state.withLock { state in
                    // Cancelled before it could be stored: nobody would resume it.
                    if Task.isCancelled { return nil }
                    state.sleepers[id] = Sleeper(deadline: state.elapsed + duration, continuation: continuation)
                    let content = state.watchers.filter { $0.value.count <= state.sleepers.count }
                    for id in content.keys { state.watchers[id] = nil }
                    return Array(content.values)
                }
                guard let watchers else { return continuation.resume(throwing: CancellationError()) }
                for watcher in watchers { watcher.continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: id) }?.continuation.resume(throwing: CancellationError())
        }
    }

    private func makeID() -> Int {
        state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
    }
}
