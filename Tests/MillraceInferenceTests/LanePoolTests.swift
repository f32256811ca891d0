import Foundation
import MillraceCore
import MillraceInference
import Synchronization
import Testing

@Suite("A pool of lanes", .timeLimit(.minutes(1)))
struct LanePoolTests {
    private struct Broken: Error {}

    @Test("does every part of every piece once", arguments: [0, 1, 2, 7])
    func everyPart(lanes: Int) async throws {
        let pool = LanePool(label: "test", lanes: lanes)
        let done = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for piece in 0..<20 { group.addTask { try await pool.run(10) { done.add(piece * 10 + $0) } } }
            try await group.waitForAll()
        }
        #expect(done.all.sorted() == Array(0..<200))
        try await pool.run(0) { _ in Issue.record("there is no part") }
        #expect(pool.isIdle)
    }

    @Test("gives what each part made, in the order of their numbers", arguments: [1, 3])
    func values(lanes: Int) async throws {
        let pool = LanePool(label: "test", lanes: lanes)
        #expect(try await pool.map(100) { $0 * $0 } == (0..<100).map { $0 * $0 })
        #expect(try await pool.map(0) { $0 }.isEmpty)
        await #expect(throws: Broken.self) { try await pool.map(5) { if $0 == 3 { throw Broken() } } }
    }

    @Test("ends a piece with its first error, and no other", arguments: [1, 2])
    func failure(lanes: Int) async throws {
        let pool = LanePool(label: "test", lanes: lanes)
        let begun = Tally()
        await #expect(throws: Broken.self) {
            try await pool.run(1000) { part in
                begun.add(part)
                if part == 3 { throw Broken() }
            }
        }
        // With several lanes, how far the others are by then is up to the machine.
        if lanes == 1 { #expect(begun.all == [0, 1, 2, 3]) }
        try await pool.run(3, begun.add)
        #expect(pool.isIdle)
    }

    @Test("says when a lane is without a part, which the next piece then has before the first has ended")
    func room() async throws {
        let pool = LanePool(label: "test", lanes: 2)
        let (rooms, room) = AsyncStream<Void>.makeStream()
        let (ends, end) = AsyncStream<Void>.makeStream()
        let order = Tally()
        let hold = Held()
        let first = Task {
            // The last part holds its lane; the other lane does the rest.
            try await pool.run(3) { room.yield() } _: { part in
                if part == 0 { hold.wait() }
                order.add(part)
            }
            end.finish()
        }
        for await _ in rooms { break }
        #expect(!pool.isIdle)
        try await pool.run(2) { order.add(10 + $0) }
        #expect(order.all == [1, 2, 10, 11], "the first piece still runs")
        hold.release()
        for await _ in ends {}
        try await first.value
        #expect(order.all.last == 0)
    }

    @Test("leaves threads for timers and tasks while all its lanes compute")
    func company() async throws {
        let lanes = ProcessInfo.processInfo.activeProcessorCount * 2
        let pool = LanePool(label: "test", lanes: lanes)
        let over = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await pool.run(lanes) { _ in while over.all.isEmpty {} } }
            try await Surroundings.system.sleep(.milliseconds(10))
            over.add(1)
            try await group.waitForAll()
        }
    }

    @Test("has room at once when a piece has fewer parts than there are lanes")
    func small() async throws {
        let pool = LanePool(label: "test", lanes: 2)
        let told = Tally()
        try await pool.run(1) { told.add(1) } _: { _ in }
        #expect(!told.all.isEmpty)
    }
}

private final class Tally: Sendable {
    private let numbers = Mutex<[Int]>([])
    var all: [Int] { numbers.withLock { $0 } }
    @Sendable func add(_ number: Int) { numbers.withLock { $0.append(number) } }
}

/// Blocks a thread until it is let go.
private final class Held: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    func wait() { semaphore.wait() }
    func release() { semaphore.signal() }
}
