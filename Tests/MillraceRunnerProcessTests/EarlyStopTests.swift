import Foundation
import MillraceCore
import MillraceInference
import Testing

@testable import MillraceRunnerProcess

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
