import Synchronization

/// A value that comes once; whoever asks earlier waits.
final class Latch<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var nextID = 0
        var waiters: [Int: AsyncStream<Value>.Continuation] = [:]
    }
    private let state = Mutex(State())

    var isOpen: Bool { state.withLock { $0.value != nil } }

    /// Sets the value; a second one is ignored.
    func open(_ value: Value) {
        let waiters = state.withLock { state -> [AsyncStream<Value>.Continuation] in
            guard state.value == nil else { return [] }
            state.value = value
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters {
            waiter.yield(value)
            waiter.finish()
        }
    }

    /// - Throws: `CancellationError` when the task is cancelled first.
    func value() async throws -> Value {
        let (stream, continuation) = AsyncStream<Value>.makeStream()
        let (known, id) = state.withLock { state in
            state.nextID += 1
            if state.value == nil { state.waiters[state.nextID] = continuation }
            return (state.value, state.nextID)
        }
        if let known { return known }
        defer { state.withLock { _ = $0.waiters.removeValue(forKey: id) } }
        for await value in stream { return value }
        throw CancellationError()
    }
}

extension Latch<Void> {
    func open() { open(()) }
}
