import Foundation
import MillraceCore
import MillraceInference
import MillraceProcesses
import MillraceWire
import Testing

@testable import MillraceRunnerProcess

@Suite("A handler's health", .timeLimit(.minutes(1)))
struct HandlerHealthTests {
    @Test("follows its session from the start to the end")
    func states() {
        var session = HandlerSession(limits: ProcessRunnerLimits())
        #expect(session.health == .starting)
        _ = session.received(.hello(.init(pid: 1)) as HandlerControlMessage)
        _ = session.received(.hello(.init()) as HandlerWorkMessage)
        _ = session.received(.ready(.init(batchMax: 1)))
        #expect(session.health == .ready)
        _ = session.run([
            .init(
                item: 1, job: JobID(high: 0, low: 1), endpoint: "e", attempt: 1, parameters: [:], input: nil, files: [], workdir: "/w",
                checkpoint: nil)
        ])
        #expect(session.health == .busy)
        _ = session.received(.result(.init(batch: 1, item: 1, json: 1)) as HandlerWorkMessage)
        let settling = session.received(.done(.init(batch: 1)) as HandlerWorkMessage)
        #expect(settling.contains(.sendControl(.ping(.init(seq: 1, batch: 1)))), "the ping says that the batch has been taken")
        #expect(session.health == .busy)
        _ = session.received(.pong(.init(seq: 1)))
        #expect(session.health == .ready)
    }

    @Test("is unresponsive when an idle one does not answer a ping, then failed")
    func unresponsive() {
        var session = HandlerSession(limits: ProcessRunnerLimits())
        _ = session.received(.hello(.init(pid: 1)) as HandlerControlMessage)
        _ = session.received(.hello(.init()) as HandlerWorkMessage)
        _ = session.received(.ready(.init(batchMax: 1)))
        _ = session.fired(.ping)
        let actions = session.fired(.pong)
        #expect(actions.contains(.signal(.terminate)) && session.health == .unresponsive)
        _ = session.exited(HandlerExit(status: .signaled(15), stderrTail: "stuck"))
        _ = session.fired(.drain)
        #expect(session.health == .failed)
    }

    @Test("is stopped after a shutdown, not failed")
    func stopped() {
        var session = HandlerSession(limits: ProcessRunnerLimits())
        _ = session.shutdown()
        #expect(session.health == .stopping)
        _ = session.exited(HandlerExit(status: .exited(0), stderrTail: ""))
        _ = session.fired(.drain)
        #expect(session.health == .stopped)
    }

    @Test("comes back by itself: an idle handler that does not answer is ended and another started, and the log says so")
    func restarted() async throws {
        let mark = FileManager.default.temporaryDirectory.appending(path: "deaf-\(UInt64.random(in: 0...UInt64.max))").path
        defer { try? FileManager.default.removeItem(atPath: mark) }
        let fixture = try RunnerFixture(command: ["{python}", "raw_peer.py", "deaf once", mark]) {
            $0.pingEvery = .milliseconds(10)
            $0.pongMax = .milliseconds(200)
        }
        try await fixture.runner.load()
        while fixture.logs.lines.count(where: { $0 == "the handler is ready" }) < 2 { await Task.yield() }
        let health = fixture.logs.lines.filter { $0.hasPrefix("the handler is ") }.map { $0.dropFirst("the handler is ".count) }
        #expect(health == ["starting", "ready", "unresponsive", "failed", "starting", "ready"])
        #expect(try await fixture.run("again").only?.json == ["echo": "again"])
        await fixture.runner.close()
        #expect(fixture.leftovers.isEmpty)
    }

    @Test("keeps what a handler that failed said on standard error last, in the failure and in the log")
    func standardError() async throws {
        let fixture = try RunnerFixture(command: ["{python}", "raw_peer.py", "die"])
        await #expect {
            try await fixture.runner.load()
        } throws: { error in
            (error as? JobFailure)?.stderrTail == "Traceback: no weights"
        }
        #expect(fixture.logs.lines.contains("Traceback: no weights") && fixture.logs.lines.contains("the handler is failed"))
        await fixture.runner.close()
    }
}
