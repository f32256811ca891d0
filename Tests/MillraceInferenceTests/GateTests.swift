import MillraceInference
import Synchronization
import Testing

@Suite struct GateTests {
    @Test func `no more than the limit are inside at once, and all get their turn`() async throws {
        let gate = Gate(limit: 3)
        let inside = Occupancy()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await gate.enter {
                        inside.enter()
                        await Task.yield()
                        inside.leave()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(inside.most <= 3)
        #expect(inside.total == 100)
    }

    @Test func `a cancelled waiter leaves and does not take a place with it`() async throws {
        let gate = Gate(limit: 1)
        let entered = AsyncStream<Void>.makeStream()
        let leave = AsyncStream<Void>.makeStream()
        let holder = Task {
            try await gate.enter {
                entered.continuation.yield()
                for await _ in leave.stream { break }
            }
        }
        for await _ in entered.stream { break }
        let waiter = Task { try await gate.enter {} }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
        leave.continuation.yield()
        try await holder.value
        try await gate.enter {}
    }
}

private final class Occupancy: Sendable {
    private let state = Mutex((now: 0, most: 0, total: 0))
    var most: Int { state.withLock { $0.most } }
    var total: Int { state.withLock { $0.total } }

    func enter() {
        state.withLock { state in
            state.now += 1
            state.most = max(state.most, state.now)
            state.total += 1
        }
    }

    func leave() { state.withLock { $0.now -= 1 } }
}
