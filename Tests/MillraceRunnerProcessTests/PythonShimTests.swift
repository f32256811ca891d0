import Foundation
import MillraceCore
import MillraceInference
import Synchronization
import Testing

@testable import MillraceRunnerProcess

/// The runner against `clients/python`: the two sides of the protocol that are shipped.
@Suite("A runner and the Python package", .timeLimit(.minutes(1)))
struct PythonShimTests {
    func fixture() throws -> RunnerFixture {
        try RunnerFixture(command: ["{python}", "shim_peer.py"])
    }

    @Test("run a batch with files in and files out")
    func batch() async throws {
        let fixture = try fixture()
        let input = "\(fixture.directory)/in-0"
        try Data("hello".utf8).write(to: URL(filePath: input))
        let file = HandlerRequest.File(name: "file", filename: "a.txt", path: input, mediaType: "text/plain", bytes: 5)
        let items = try [fixture.item(1, "upper", files: [file]), fixture.item(2, "refuse"), fixture.item(3, "json")]
        let outcomes = try await fixture.runner.run(items, observer: fixture.observer)
        guard case .reply(let reply) = outcomes[0] else { return #expect(Bool(false), "\(outcomes[0])") }
        #expect(try String(contentsOfFile: reply.outputs[0].path, encoding: .utf8) == "HELLO")
        #expect(reply.outputs[0].mediaType == "text/plain")
        let failure = try #require(outcomes[1].failure)
        #expect(failure.code == "bad_input" && failure.hint == "send better" && failure.retryAfter == .seconds(3))
        #expect(outcomes[2].json == ["job": .string(JobID(high: 1, low: 3).description), "attempt": 1])
        await fixture.runner.close()
    }

    @Test("pass on progress, logs and prints before the outcome")
    func observed() async throws {
        let fixture = try fixture()
        let outcome = try await fixture.run("talk").only
        #expect(outcome?.json == "talked")
        let events = fixture.observer.events
        #expect(events.contains(.progress(JobProgress(done: 2, total: 2, unit: "steps", metrics: ["loss": 0.5]), 1)))
        #expect(events.contains(.log(LogLine(level: .warning, message: "careful"), 1)))
        await fixture.runner.close()
    }

    @Test("store a checkpoint before the handler goes on, and say why one was not stored")
    func checkpoints() async throws {
        let fixture = try fixture()
        #expect(try await fixture.run("checkpoint").only?.json == true)
        #expect(fixture.observer.events.contains(.checkpoint("state", ["epoch": 3], 1)))
        fixture.observer.checkpointError.withLock { $0 = MillraceError(.leaseLost, "somebody else has it") }
        #expect(try await fixture.run("checkpoint").only?.json == false)
        #expect(fixture.observer.lines.contains("the checkpoint was not stored: somebody else has it"))
        await fixture.runner.close()
    }

    @Test("stop a cancelled item and keep the process")
    func cancel() async throws {
        let fixture = try fixture()
        let outcomes = Task { try await fixture.run("wait") }
        await fixture.observer.firstProgress()
        await fixture.runner.cancel(1, reason: .cancelled)
        #expect(try await outcomes.value.only?.isCancelled == true)
        let same = try await fixture.runner.run([fixture.item(2, "pid")], observer: fixture.observer)
        let again = try await fixture.runner.run([fixture.item(3, "pid")], observer: fixture.observer)
        #expect(same.only?.json == again.only?.json)
        await fixture.runner.close()
    }

    @Test("find the bad item of a batch by running it in halves")
    func exception() async throws {
        let fixture = try fixture()
        let items = try [fixture.item(1, "json"), fixture.item(2, "explode")]
        await #expect {
            _ = try await fixture.runner.run(items, observer: fixture.observer)
        } throws: { error in
            guard case BatchFailure.unattributed(let failure) = error else { return false }
            return failure.code == "handler_error" && failure.message.contains("boom")
        }
        #expect(try await fixture.runner.run([items[0]], observer: fixture.observer).only?.json != nil)
        let bad = try await fixture.runner.run([items[1]], observer: fixture.observer)
        #expect(bad.only?.failure?.code == "handler_error")
        await fixture.runner.close()
    }

    @Test("report a model that cannot be loaded with its traceback")
    func fatal() async throws {
        let fixture = try RunnerFixture(command: ["{python}", "shim_peer.py"], environment: ["TEST_FATAL": "1"])
        let failure = try await #require(throws: JobFailure.self) { try await fixture.runner.load() }
        #expect(failure.message == "the handler cannot load its model: RuntimeError: no such weights")
        #expect(failure.stderrTail?.contains("Traceback") == true)
    }
}
