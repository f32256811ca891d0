import Foundation
import MillraceCore
import MillraceInference
import Testing

@testable import MillraceRunnerProcess

@Suite("What a runner remembers of items")
struct RunnerItemsTests {
    @Test("holds a request to stop that came before its item, once")
    func early() {
        var items = RunnerItems()
        let wasHere = items.stop(1, reason: .draining)
        #expect(!wasHere && !items.isSettled(1))
        items.admit([1, 2])
        #expect(items.isSettled(1) && items.stopping(1) == .draining && !items.isSettled(2))
        items.settle([2: .cancelled])
        let outcomes = items.take([1, 2])
        #expect(outcomes[0].isCancelled && outcomes[1].isCancelled)
        items.admit([1])
        #expect(!items.isSettled(1))
    }

    @Test("is bounded: of very many early requests the oldest are forgotten")
    func bounded() {
        var items = RunnerItems()
        for item in ItemID(1)...2000 { _ = items.stop(item, reason: .cancelled) }
        items.admit([1, 2000])
        #expect(!items.isSettled(1) && items.isSettled(2000))
    }
}

@Suite("Stopping an item before its handler knows it", .timeLimit(.minutes(1)))
struct EarlyStopTests {
    @Test("works before its batch came: nothing is started for it")
    func beforeAdmission() async throws {
        let fixture = try RunnerFixture(command: ["no-such-program"])
        await fixture.runner.cancel(1, reason: .cancelled)
        #expect(try await fixture.run("a").only?.isCancelled == true)
    }

    /// A fixture whose handler loads its model once ``letGo(_:)`` is called.
    private func slow() throws -> RunnerFixture {
        let gate = FileManager.default.temporaryDirectory.appending(path: "mr-gate-\(UInt64.random(in: 0...UInt64.max))").path
        return try RunnerFixture(command: ["{python}", "raw_peer.py", "slow", gate])
    }

    private func untilStarting(_ fixture: RunnerFixture) async -> String {
        while true {
            if let line = fixture.logs.lines.first(where: { $0.hasPrefix("waiting for ") }) { return String(line.dropFirst(12)) }
            await Task.yield()
        }
    }

    @Test("while the handler starts answers at once, and the start goes on for the next batch")
    func duringStart() async throws {
        let fixture = try slow()
        let first = Task { try await fixture.run("a", "b") }
        let gate = await untilStarting(fixture)
        await fixture.runner.cancel(1, reason: .cancelled)
        await fixture.runner.cancel(2, reason: .draining)
        let outcomes = try await first.value
        #expect(outcomes[0].isCancelled && outcomes[1].isCancelled)
        try "".write(toFile: gate, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: gate) }
        #expect(try await fixture.runner.run([fixture.item(3, "c")], observer: fixture.observer).only?.json == ["echo": "c"])
        #expect(fixture.logs.lines.count { $0.hasPrefix("waiting for ") } == 1)
        await fixture.runner.close()
    }

    @Test("while the handler starts does not send that item, and runs its neighbour")
    func neighbour() async throws {
        let fixture = try slow()
        let batch = Task { try await fixture.run("exit", "b") }
        let gate = await untilStarting(fixture)
        await fixture.runner.cancel(1, reason: .cancelled)
        try "".write(toFile: gate, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: gate) }
        let outcomes = try await batch.value
        #expect(outcomes[0].isCancelled && outcomes[1].json == ["echo": "b"])
        await fixture.runner.close()
    }

    @Test("with its task ends a handler that is being started", arguments: [true, false])
    func taskCancelled(loading: Bool) async throws {
        let fixture = try slow()
        let task = Task { if loading { try await fixture.runner.load() } else { _ = try await fixture.run("a") } }
        _ = await untilStarting(fixture)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(fixture.leftovers.isEmpty)
    }
}
