import Foundation
import MillraceCore
import MillraceInference
import Testing

@testable import MillraceRunnerProcess

@Suite("Tearing a handler down", .timeLimit(.minutes(1)))
struct TearDownTests {
    @Test("takes a cancelled item that does not stop in time with its process, and nobody else")
    func cancelOverdue() async throws {
        let fixture = try RunnerFixture { $0.cancelGrace = .milliseconds(50) }
        let items = try [fixture.item(1, "a"), fixture.item(2, "hang"), fixture.item(3, "c")]
        let outcomes = Task { try await fixture.runner.run(items, observer: fixture.observer) }
        await fixture.observer.firstProgress()
        await fixture.runner.cancel(2, reason: .cancelled)
        await #expect {
            _ = try await outcomes.value
        } throws: { error in
            guard case BatchFailure.runnerLost(let failure) = error else { return false }
            return failure.message == "the handler was ended because item 2 did not stop within 0.05 s"
        }
        // Again, in halves: the answered item and the stopped one are not run, the third is.
        let first = try await fixture.runner.run([items[0]], observer: fixture.observer)
        let rest = try await fixture.runner.run([items[1], items[2]], observer: fixture.observer)
        #expect(first.only?.json == ["echo": "a"])
        #expect(rest[0].isCancelled && rest[1].json == ["echo": "c"])
        await fixture.runner.close()
    }

    @Test("says cancelled of an item that was alone when its process had to be ended, even with SIGKILL")
    func killed() async throws {
        let fixture = try RunnerFixture {
            $0.cancelGrace = .milliseconds(20)
            $0.terminateGrace = .milliseconds(50)
        }
        async let outcomes = fixture.run("ignore SIGTERM")
        await fixture.observer.firstProgress()
        await fixture.runner.cancel(1, reason: .timeout)
        #expect(try await outcomes.only?.isCancelled == true)
        await fixture.runner.close()
    }

    @Test("ends the process when the task that runs a batch is cancelled")
    func taskCancelled() async throws {
        let fixture = try RunnerFixture()
        let task = Task { try await fixture.run("hang") }
        await fixture.observer.firstProgress()
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        #expect(fixture.leftovers.isEmpty)
        #expect(try await fixture.runner.run([fixture.item(2, "next")], observer: fixture.observer).only?.json == ["echo": "next"])
        await fixture.runner.close()
    }

    @Test("ends a handler whose control thread does not answer")
    func hung() async throws {
        let fixture = try RunnerFixture(command: ["{python}", "raw_peer.py", "deaf"]) {
            $0.pingEvery = .milliseconds(10)
            $0.pongMax = .milliseconds(100)
        }
        let failure = try #require(try await fixture.run("hang").only?.failure)
        #expect(failure.code == "handler_crashed")
        #expect(failure.message == "the handler did not answer a ping for 0.1 s and was ended")
        await fixture.runner.close()
    }

    @Test("leaves no process, not even the handler's own children, no socket and no directory")
    func nothingRemains() async throws {
        let fixture = try RunnerFixture(command: ["{python}", "raw_peer.py", "stubborn"]) {
            $0.exitGrace = .milliseconds(50)
            $0.terminateGrace = .milliseconds(50)
        }
        let failure = try #require(try await fixture.run("leave child").only?.failure)
        #expect(failure.stderrTail == "last words")
        let child = try #require(fixture.observer.lines.compactMap { Int32($0) }.first)
        // The signal has been sent; the kernel may take a moment to carry it out, and the suite's limit is the only clock.
        while kill(child, 0) == 0, !Self.isZombie(child) { await Task.yield() }
        #expect(try await fixture.run("again").only?.json == ["echo": "again"])
        #expect(fixture.leftovers.count == 1)
        await fixture.runner.close()
        #expect(fixture.leftovers.isEmpty)
        #expect(Self.children(mentioning: fixture.directory).isEmpty)
    }

    @Test("can be repeated without end: starting and closing leaks no descriptor")
    func startStop() async throws {
        func open() -> Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0 }
        let fixture = try RunnerFixture()
        try await fixture.runner.load()
        await fixture.runner.close()
        var counts: [Int] = []
        for _ in 0..<5 {
            let runner = try RunnerFixture()
            try await runner.runner.load()
            await runner.runner.close()
            counts.append(open())
        }
        // Other tests run beside this one, so only a steady growth would mean anything.
        #expect(counts.last! - counts.first! < 40)
    }

    /// A process that nobody has waited for yet (its new parent may be slow) is as dead as one that is gone.
    static func isZombie(_ process: Int32) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return true }
        return status.split(separator: ")").last?.split(separator: " ").first == "Z"
    }

    static func children(mentioning text: String) -> [String] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { Int32($0) != nil }.filter { process in
            guard let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ") else { return false }
            let own = String(decoding: environment, as: UTF8.self)
            return own.contains("MILLRACE_HANDLER_SOCKET=\(text)") && !isZombie(Int32(process)!)
        }
    }
}
