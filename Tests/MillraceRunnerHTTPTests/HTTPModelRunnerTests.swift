import Foundation
import MillraceCore
import MillraceInference
import MillraceProcesses
import Testing

@testable import MillraceRunnerHTTP

@Suite("A runner of a model server", .timeLimit(.minutes(1)))
struct HTTPModelRunnerTests {
    private func gate() -> String {
        FileManager.default.temporaryDirectory.appending(path: "mh-gate-\(UInt64.random(in: 0...UInt64.max))").path
    }

    @Test("starts it with a port of its own and a clean environment, and waits until it is ready")
    func slowStart() async throws {
        let gate = gate()
        let fixture = try ServerFixture(["python3", "server.py", "{port}", "slow", gate])
        let loading = Task { try await fixture.runner.load() }
        _ = await fixture.logs.line("waiting for ")
        try "".write(toFile: gate, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: gate) }
        try await loading.value
        let words = await fixture.logs.line("listening on ").split(separator: " ")
        #expect(words.count == 5 && "PORT=\(words[2])" == words[3] && words[4] == "secret=None")
        #expect(try await fixture.run("a")[0].json == ["echo": "a"])
        await fixture.runner.close()
    }

    @Test("says why it cannot be started, and leaves nothing behind")
    func startFailures() async throws {
        let dying = try ServerFixture(["python3", "server.py", "{port}", "die"])
        let failure = try await #require(throws: JobFailure.self) { try await dying.runner.load() }
        #expect(failure.code == "model_unavailable" && failure.message == "the model server exited with status 3 before it was ready")
        #expect(failure.stderrTail == "Traceback: no weights")

        let missing = try ServerFixture(["no-such-program"])
        let absent = try await #require(throws: JobFailure.self) { try await missing.runner.load() }
        #expect(absent.code == "model_unavailable" && absent.message.contains("there is no program \"no-such-program\""))

        let server = try RunningServer(mode: "unready")
        _ = await server.logs.line("listening on ")
        let unready = try ServerFixture(place: server.place) { $0.startMax = .milliseconds(200) }
        let late = try await #require(throws: JobFailure.self) { try await unready.runner.load() }
        #expect(late.message.contains("was not ready after 0.2 s: GET /ping was answered with 503"), "\(late.message)")
        _ = await server.end()

        let nobody = try ServerFixture(place: .running(url: "http://127.0.0.1:\(LoopbackPort.free())")) { $0.startMax = .milliseconds(200) }
        let refused = try await #require(throws: JobFailure.self) { try await nobody.runner.load() }
        #expect(refused.code == "model_unavailable" && refused.message.contains("connection refused"), "\(refused.message)")

        let other = try RunningServer()
        _ = await other.logs.line("listening on ")
        let unknown = try ServerFixture(place: other.place, speaking: .openInference(model: "rose", version: nil)) {
            $0.startMax = .milliseconds(200)
        }
        let model = try await #require(throws: JobFailure.self) { try await unknown.runner.load() }
        #expect(model.message.contains("GET /v2/models/rose/ready was answered with 404"), "\(model.message)")
        _ = await other.end()
    }

    @Test("tells each answer as it comes, and does not keep it back for a request that takes long")
    func earlyAnswers() async throws {
        let fixture = try ServerFixture()
        try await fixture.runner.load()
        let (ends, ended) = AsyncStream<ItemID>.makeStream()
        let batch = Task { try await fixture.run("a", "hang", "c") { ended.yield($0) } }
        var seen: Set<ItemID> = []
        for await item in ends where seen.insert(item).inserted && seen.count == 2 { break }
        #expect(seen == [1, 3])
        await fixture.runner.cancel(2, reason: .timeout)
        let outcomes = try await batch.value
        #expect(outcomes[0].json == ["echo": "a"] && outcomes[1].isCancelled && outcomes[2].json == ["echo": "c"])
        await fixture.runner.close()
    }

    @Test("that is told to leave while the server starts ends it")
    func loadingCancelled() async throws {
        let fixture = try ServerFixture(["python3", "server.py", "{port}", "silent"])
        let loading = Task { try await fixture.runner.load() }
        _ = await fixture.logs.line("silent")
        loading.cancel()
        await #expect(throws: CancellationError.self) { try await loading.value }
    }

    @Test("blames an item that was alone with the server when it died, and starts it again")
    func crashAlone() async throws {
        let fixture = try ServerFixture()
        try await fixture.runner.load()
        let failure = try #require(try await fixture.run("exit")[0].failure)
        #expect(failure.code == "handler_crashed" && failure.retryable && failure.message == "the model server exited with status 5")
        #expect(failure.stderrTail == "it hurts")
        #expect(try await fixture.run("after")[0].json == ["echo": "after"])
        await fixture.runner.close()
    }

    @Test("blames nobody when the server died under several items, and sends none again that had its answer")
    func crashTogether() async throws {
        let fixture = try ServerFixture()
        try await fixture.runner.load()
        let items = try [
            fixture.item(1, "a"), fixture.item(2, ["exit", ["answered": 1, "hanging": 1]]), fixture.item(3, "hang"),
        ]
        await #expect {
            _ = try await fixture.run(items)
        } throws: { error in
            guard case BatchFailure.runnerLost(let failure) = error else { return false }
            return failure.code == "handler_crashed" && failure.message == "the model server exited with status 5"
        }
        // The caller bisects: the first half's answer comes from memory, so its new input is never looked at.
        #expect(try await fixture.run([fixture.item(1, "exit")])[0].json == ["echo": "a"])
        #expect(try await fixture.run([fixture.item(3, "c")])[0].json == ["echo": "c"])
        await fixture.runner.close()
    }

    @Test("blames an item whose connection alone broke, and keeps the server", arguments: ["break", "half"])
    func brokenConnection(order: String) async throws {
        let fixture = try ServerFixture()
        try await fixture.runner.load()
        let process = try await fixture.run("pid")[0].json
        let outcomes = try await fixture.run(.string(order), "neighbour")
        #expect(outcomes[0].failure?.code == "handler_crashed" && outcomes[0].failure?.retryable == true)
        #expect(outcomes[1].json == ["echo": "neighbour"])
        #expect(try await fixture.run("pid")[0].json == process)
        await fixture.runner.close()
    }

    @Test("closes the request of an item that is to stop, and of no other")
    func cancellation() async throws {
        let fixture = try ServerFixture()
        try await fixture.runner.load()
        let process = try await fixture.run("pid")[0].json
        let batch = Task { try await fixture.run("hang", "b") }
        _ = await fixture.logs.line("hanging")
        await fixture.runner.cancel(1, reason: .cancelled)
        let outcomes = try await batch.value
        #expect(outcomes[0].isCancelled && outcomes[1].json == ["echo": "b"])
        _ = await fixture.logs.line("the client is gone")
        #expect(try await fixture.run("pid")[0].json == process)
        await fixture.runner.cancel(9, reason: .cancelled)
        #expect(try await fixture.run([fixture.item(9, "never sent")])[0].isCancelled)
        await fixture.runner.close()
    }

    @Test("closes all requests when its task is cancelled")
    func taskCancelled() async throws {
        let fixture = try ServerFixture()
        try await fixture.runner.load()
        let batch = Task { try await fixture.run("hang") }
        _ = await fixture.logs.line("hanging")
        batch.cancel()
        await #expect(throws: CancellationError.self) { try await batch.value }
        _ = await fixture.logs.line("the client is gone")
        #expect(try await fixture.run([fixture.item(2, "b")])[0].json == ["echo": "b"])
        await fixture.runner.close()
    }

    @Test("starts a server again that left while nothing was asked of it")
    func idleExit() async throws {
        let fixture = try ServerFixture()
        try await fixture.runner.load()
        let process = try await fixture.run("pid")[0].json
        #expect(try await fixture.run("last word")[0].json == "bye")
        _ = await fixture.logs.line("the model server exited with status 0")
        let next = try #require(try await fixture.run("pid")[0].json)
        #expect(next != process)
        await fixture.runner.close()
    }

    @Test("starts a server again that is silent for too long")
    func silence() async throws {
        let gate = gate()
        try "".write(toFile: gate, atomically: false, encoding: .utf8)
        let fixture = try ServerFixture(["python3", "server.py", "{port}", "slow", gate]) {
            $0.limits.silenceMax = .milliseconds(200)
            $0.limits.probeEvery = .milliseconds(50)
        }
        try await fixture.runner.load()
        try FileManager.default.removeItem(atPath: gate)
        _ = await fixture.logs.line("the model server at ")
        try "".write(toFile: gate, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: gate) }
        #expect(try await fixture.run("a")[0].json == ["echo": "a"])
        #expect(fixture.logs.lines.count { $0.hasPrefix("listening on ") } > 1)
        await fixture.runner.close()
    }

    @Test("ends with everything in its session when it is closed")
    func closing() async throws {
        let fixture = try ServerFixture(["/bin/sh", "-c", "python3 server.py $PORT & wait"])
        try await fixture.runner.load()
        let process = try #require(try await fixture.run("pid")[0].json?.integerValue)
        await fixture.runner.close()
        // It dies a moment after its files are closed, and may then wait to be reaped by whoever adopts it.
        while let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8), !state.contains(") Z ") { await Task.yield() }
    }

    @Test("uses a server that is already running, and leaves it running")
    func running() async throws {
        let server = try RunningServer()
        let fixture = try ServerFixture(place: server.place)
        try await fixture.runner.load()
        #expect(try await fixture.run("a")[0].json == ["echo": "a"])
        await fixture.runner.close()
        let again = try ServerFixture(place: server.place)
        try await again.runner.load()
        await again.runner.close()
        #expect(await server.end() == .signaled(15))
    }

    @Test("sends what a server has not seen once it is back")
    func back() async throws {
        let server = try RunningServer()
        let fixture = try ServerFixture(place: server.place)
        try await fixture.runner.load()
        _ = await server.end()
        let batch = Task { try await fixture.run("a", "b") }
        let next = try RunningServer(port: server.port)
        #expect(try await batch.value.map(\.json) == [["echo": "a"], ["echo": "b"]])
        await fixture.runner.close()
        _ = await next.end()
    }

    @Test("answers every item with model_unavailable when the server does not come back")
    func gone() async throws {
        let server = try RunningServer()
        let fixture = try ServerFixture(place: server.place) {
            $0.limits.silenceMax = .milliseconds(100)
            $0.startMax = .milliseconds(100)
        }
        _ = await server.logs.line("listening on ")
        try await fixture.runner.load()
        _ = await server.end()
        #expect(try await fixture.run("a", "b").map { $0.failure?.code } == ["model_unavailable", "model_unavailable"])
        await fixture.runner.close()
    }
}
