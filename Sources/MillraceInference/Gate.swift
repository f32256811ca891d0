import DequeModule
import Synchronization

/// Lets a limited number of tasks do something at once; the others wait their turn, first come, first served.
public final class Gate: Sendable {
    private struct Waiter {
        var id: Int
        /// Resumed with false when the waiter was cancelled.
        var continuation: CheckedContinuation<Bool, Never>
    }
    private struct State {
        var free: Int
        var nextID = 0
        var waiters: Deque<Waiter> = []
    }
    private let state: Mutex<State>

    public init(limit: Int) {
        state = Mutex(State(free: max(1, limit)))
    }

    /// - Throws: `CancellationError` when the task is cancelled while it waits.
    public func enter<Value>(_ body: () async throws -> Value) async throws -> Value {
        guard await acquire() else { throw CancellationError() }
        defer { release() }
        return try await body()
    }

    private func acquire() async -> Bool {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    // Under the lock: a cancellation before this is seen here, one after it finds the waiter.
                    if Task.isCancelled { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiters.append(Waiter(id: id, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    private func release() {
        let next = state.withLock { state in
            guard let next = state.waiters.popFirst() else {
                state.free += 1
                return nil as Waiter?
            }
            return next
        }
        next?.continuation.resume(returning: true)
    }
}
