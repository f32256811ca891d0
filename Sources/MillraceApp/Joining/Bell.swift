import Synchronization

/// Tells whoever waits that something has changed. A ring that nobody waited for is not missed: one waits for a ring after those that
/// one knows of.
final class Bell: Sendable {
    private struct State {
        var rings = 0
        var nextID = 0
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
    }
    private let state = Mutex(State())

    var rings: Int { state.withLock { $0.rings } }

    func ring() {
        let waiters = state.withLock { state in
            state.rings += 1
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.finish() }
    }

    /// Waits until it has rung more often than that, or the task is cancelled.
    func wait(after rings: Int) async {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        let id: Int? = state.withLock { state in
            guard state.rings <= rings else { return nil }
            state.nextID += 1
            state.waiters[state.nextID] = continuation
            return state.nextID
        }
        guard let id else { return }
        defer { state.withLock { _ = $0.waiters.removeValue(forKey: id) } }
        for await _ in stream {}
    }
}
