import Synchronization

/// Says once, for all loops, that the worker is to stop taking work.
final class ShutdownFlag: Sendable {
    private struct State {
        var isRaised = false
        var nextID = 0
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
    }
    private let state = Mutex(State())

    var isRaised: Bool { state.withLock { $0.isRaised } }

    func raise() {
        let waiters = state.withLock { state in
            state.isRaised = true
            return state.waiters.values
        }
        for waiter in waiters { waiter.finish() }
    }

    /// Runs `body` until it ends or the flag is raised, whichever is first; `nil` in the second case.
    func race<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value? {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                for await _ in self.untilRaised() {}
                return nil
            }
            defer { group.cancelAll() }
            if let value = try await group.next() ?? nil { return value }
            // The flag came first, but an answer may have come with it, and it may hold jobs: it must not be dropped.
            group.cancelAll()
            return try? await group.next() ?? nil
        }
    }

    /// A stream of its own for each waiter: one that is cancelled while it waits ends its stream for good.
    private func untilRaised() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        let id: Int? = state.withLock { state in
            guard !state.isRaised else { return nil }
            state.nextID += 1
            state.waiters[state.nextID] = continuation
            return state.nextID
        }
        if let id {
            continuation.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.waiters.removeValue(forKey: id) } }
        } else {
            continuation.finish()
        }
        return stream
    }
}
