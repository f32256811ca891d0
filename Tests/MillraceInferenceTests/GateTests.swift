import Synchronization
import Testing

@testable import MillraceInference

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

    @Test func `a share is given back when it goes, and who wants much is not overtaken by who wants little`() async throws {
        let gate = Gate(limit: 10)
        var first: Gate.Share? = try await gate.share(8)
        let order = Order()
        let large = Task {
            let share = try await gate.share(9)
            order.append(9)
            withExtendedLifetime(share) {}
        }
        // The large one waits once this is refused what is free.
        while gate.waiting == 0 { await Task.yield() }
        let small = Task {
            let share = try await gate.share(2)
            order.append(2)
            withExtendedLifetime(share) {}
        }
        while gate.waiting == 1 { await Task.yield() }
        #expect(order.all.isEmpty)
        withExtendedLifetime(first) {}
        first = nil
        try await large.value
        try await small.value
        #expect(order.all == [9, 2])
        _ = try await gate.share(10)
    }

    @Test func `whoever stood behind a waiter that was cancelled gets in`() async throws {
        let gate = Gate(limit: 10)
        let held = try await gate.share(5)
        let large = Task { _ = try await gate.share(9) }
        while gate.waiting == 0 { await Task.yield() }
        let small = Task { _ = try await gate.share(5) }
        while gate.waiting == 1 { await Task.yield() }
        large.cancel()
        await #expect(throws: CancellationError.self) { try await large.value }
        try await small.value
        withExtendedLifetime(held) {}
    }
}

private final class Order: Sendable {
    private let state = Mutex<[Int]>([])
    var all: [Int] { state.withLock { $0 } }
    func append(_ number: Int) { state.withLock { $0.append(number) } }
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
