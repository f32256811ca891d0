import DequeModule
import Synchronization

/// Lets a limited number of tasks do something at once, or have a limited amount of something; the others wait their turn, first come,
/// first served.
public final class Gate: Sendable {
    private struct Waiter {
        var id: Int
        var weight: Int
        /// Resumed with false when the waiter was cancelled.
        var continuation: CheckedContinuation<Bool, Never>
    }
    private struct State {
        var free: Int
        var nextID = 0
        var waiters: Deque<Waiter> = []
    }
    private let limit: Int
    private let state: Mutex<State>

    public init(limit: Int) {
        self.limit = max(1, limit)
        state = Mutex(State(free: max(1, limit)))
    }

    /// - Throws: `CancellationError` when the task is cancelled while it waits.
    public func enter<Value>(_ body: () async throws -> Value) async throws -> Value {
        guard await acquire(1) else { throw CancellationError() }
        defer { release(1) }
        return try await body()
    }

    /// A part of what there is, until the value goes.
    public final class Share: Sendable {
        private let gate: Gate
        private let weight: Int

        fileprivate init(gate: Gate, weight: Int) {
            self.gate = gate
            self.weight = weight
        }

        deinit { gate.release(weight) }
    }

    /// Tasks that wait.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// Waits for a part of what there is.
    /// - Throws: `CancellationError` when the task is cancelled while it waits.
    /// - Precondition: `weight` is at most the limit: what never fits would wait for ever, and all others behind it.
    public func share(_ weight: Int) async throws -> Share {
        precondition(weight >= 0 && weight <= limit, "a share is a part of what there is")
        guard await acquire(weight) else { throw CancellationError() }
        return Share(gate: self, weight: weight)
    }

    private func acquire(_ weight: Int) async -> Bool {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    // Under the lock: a cancellation before this is seen here, one after it finds the waiter.
                    if Task.isCancelled { return false }
                    if state.free >= weight, state.waiters.isEmpty {
                        state.free -= weight
                        return true
                    }
                    state.waiters.append(Waiter(id: id, weight: weight, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let (waiter, next) = state.withLock { state in
                let waiter = state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
                // Who stood behind one that wanted much may fit now.
                return (waiter, Self.admitted(&state))
            }
            waiter?.continuation.resume(returning: false)
            for next in next { next.continuation.resume(returning: true) }
        }
    }

    private func release(_ weight: Int) {
        let next = state.withLock { state in
            state.free += weight
            return Self.admitted(&state)
        }
        for next in next { next.continuation.resume(returning: true) }
    }

    /// Takes from the front whoever fits.
    private static func admitted(_ state: inout State) -> [Waiter] {
        var admitted: [Waiter] = []
        while let first = state.waiters.first, first.weight <= state.free {
            state.free -= first.weight
            admitted.append(state.waiters.removeFirst())
        }
        return admitted
    }
}
