import Synchronization

/// A value that comes once; whoever asks earlier waits.
final class Latch<Value: Sendable>: Sendable {
    typealias Watch = Int

    private struct State {
        var value: Value?
        var nextWatch: Watch = 0
        var watches: [Watch: @Sendable (Value) -> Void] = [:]
    }
    private let state = Mutex(State())

    var isOpen: Bool { state.withLock { $0.value != nil } }

    /// Sets the value; a second one is ignored.
    func open(_ value: Value) {
        let watches = state.withLock { state -> [@Sendable (Value) -> Void] in
            guard state.value == nil else { return [] }
            state.value = value
            defer { state.watches = [:] }
            return Array(state.watches.values)
        }
        for watch in watches { watch(value) }
    }

    /// Calls when the value comes; at once, if it is there.
    func whenOpen(_ body: @escaping @Sendable (Value) -> Void) -> Watch {
        let (known, watch) = state.withLock { state in
            state.nextWatch += 1
            if state.value == nil { state.watches[state.nextWatch] = body }
            return (state.value, state.nextWatch)
        }
        if let known { body(known) }
        return watch
    }

    func forget(_ watch: Watch) {
        state.withLock { _ = $0.watches.removeValue(forKey: watch) }
    }

    /// - Throws: `CancellationError` when the task is cancelled first.
    func value() async throws -> Value {
        let (stream, continuation) = AsyncStream<Value>.makeStream()
        let watch = whenOpen {
            continuation.yield($0)
            continuation.finish()
        }
        defer { forget(watch) }
        for await value in stream { return value }
        throw CancellationError()
    }
}

extension Latch<Void> {
    func open() { open(()) }
}
