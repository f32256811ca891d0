import Foundation
import MillraceCore
import MillraceInference
import Testing

@testable import MillraceRunnerProcess

@Suite("A process runner", .timeLimit(.minutes(1)))
struct ProcessModelRunnerTests {
    @Test("answers every item of a batch, in the batch's order, however few the handler takes at once")
    func answers() async throws {
        let fixture = try RunnerFixture()
        try await fixture.runner.load()
        let outcomes = try await fixture.run("a", "b", "c", "d", "e", "f", "g")
        #expect(outcomes.map(\.json) == ["a", "b", "c", "d", "e", "f", "g"].map { ["echo": .string($0)] })
        let begun = fixture.observer.events.compactMap { if case .began(let items) = $0 { items } else { nil } }
        #expect(begun.count > 1 && begun.flatMap { $0 } == Array(1...7), "what the handler does not have yet has not begun")
        let early = fixture.observer.events.prefix { $0 != .began(begun[1]) }
        #expect(begun[0].allSatisfy { early.contains(.ended($0)) }, "what it has answered need not wait for what it takes next")
        await fixture.runner.close()
    }

    @Test("hands out the files of a result by their real paths")
    func files() async throws {
        let fixture = try RunnerFixture()
        let outcome = try await fixture.run("good")[0]
        guard case .reply(let reply) = outcome else { return #expect(Bool(false), "\(outcome)") }
        let file = try #require(reply.outputs.only)
        #expect(file.name == "out.txt" && file.mediaType == "text/plain")
        #expect(try String(contentsOfFile: file.path, encoding: .utf8) == "x")
        await fixture.runner.close()
    }

    @Test(
        "fails an item whose files it must not trust, and keeps the handler",
        arguments: ["escape", "dots", "symlink", "directory", "missing", "bad name"])
    func untrustedFiles(order: String) async throws {
        let fixture = try RunnerFixture()
        let outcomes = try await fixture.run(.string(order), "neighbour")
        #expect(outcomes[0].failure?.code == "handler_protocol")
        #expect(outcomes[0].failure?.retryable == false)
        #expect(outcomes[1].json == ["echo": "neighbour"])
        await fixture.runner.close()
    }

    @Test(
        "ends a handler that breaks the protocol, and starts it again for the next batch",
        arguments: ["twice", "stranger", "old batch", "oversized", "not json", "unknown type", "early done"])
    func violations(order: String) async throws {
        let fixture = try RunnerFixture()
        let failure = try #require(try await fixture.run(.string(order)).only?.failure)
        #expect(failure.code == "handler_protocol" && failure.retryable)
        #expect(failure.message.hasPrefix("the handler broke the protocol: "))
        #expect(try await fixture.run("again").only?.json == ["echo": "again"])
        await fixture.runner.close()
    }

    @Test("blames an item that was alone with the handler when it died, with status and last words")
    func crashAlone() async throws {
        let fixture = try RunnerFixture()
        let failure = try #require(try await fixture.run("exit").only?.failure)
        #expect(failure.code == "handler_crashed" && failure.retryable)
        #expect(failure.message == "the handler exited with status 5")
        #expect(failure.stderrTail == "it hurts")
        let signalled = try #require(try await fixture.run("segfault").only?.failure)
        #expect(signalled.message == "the handler was killed by signal 11 (SIGSEGV)")
        #expect(try await fixture.run("after").only?.json == ["echo": "after"])
        await fixture.runner.close()
    }

    @Test("blames nobody when the handler died under several items, and runs none again that had its answer")
    func crashTogether() async throws {
        let fixture = try RunnerFixture()
        let items = try [fixture.item(1, "a"), fixture.item(2, "exit"), fixture.item(3, "c")]
        await #expect {
            _ = try await fixture.runner.run(items, observer: fixture.observer)
        } throws: { error in
            guard case BatchFailure.runnerLost(let failure) = error else { return false }
            return failure.code == "handler_crashed"
        }
        // The caller bisects: the first half's answer comes from memory, so its new input is never looked at.
        let first = try await fixture.runner.run([fixture.item(1, "exit")], observer: fixture.observer)
        #expect(first.only?.json == ["echo": "a"])
        let second = try await fixture.runner.run([fixture.item(3, "c")], observer: fixture.observer)
        #expect(second.only?.json == ["echo": "c"])
        await fixture.runner.close()
    }

    @Test("tells a batch that failed as a whole from a device without room")
    func batchFailures() async throws {
        let fixture = try RunnerFixture()
        await #expect(throws: BatchFailure.unattributed(JobFailure(code: "boom", message: "all of it", retryable: false))) {
            _ = try await fixture.run("fail batch", "b")
        }
        await #expect(throws: BatchFailure.outOfMemory("no room")) { _ = try await fixture.run("fail memory", "b") }
        let alone = try await fixture.runner.run([fixture.item(9, "fail batch")], observer: fixture.observer)
        #expect(alone.only?.failure?.code == "boom")
        await fixture.runner.close()
    }

    @Test("gives a handler that did not load its model as unavailable, with what it said")
    func startFailures() async throws {
        let dying = try RunnerFixture(command: ["{python}", "raw_peer.py", "die"])
        let failure = try await #require(throws: JobFailure.self) { try await dying.runner.load() }
        #expect(failure.code == "model_unavailable")
        #expect(failure.message == "the handler exited with status 3 before it was ready")
        #expect(failure.stderrTail == "Traceback: no weights")
        #expect(dying.logs.lines.contains("about to die"))

        let fatal = try RunnerFixture(command: ["{python}", "raw_peer.py", "fatal"])
        let reason = try await #require(throws: JobFailure.self) { try await fatal.runner.load() }
        #expect(reason.message == "the handler cannot load its model: no such file: weights.bin")

        let version = try RunnerFixture(command: ["{python}", "raw_peer.py", "version"])
        let refused = try await #require(throws: JobFailure.self) { try await version.runner.load() }
        #expect(refused.message.contains("version 2 of the handler protocol"))

        let missing = try RunnerFixture(command: ["no-such-program"])
        let absent = try await #require(throws: JobFailure.self) { try await missing.runner.load() }
        #expect(absent.code == "model_unavailable" && absent.message.contains("could not be started"))
        #expect(missing.leftovers.isEmpty)
    }

    @Test("answers every item with model_unavailable when the handler cannot be started again")
    func restartFailure() async throws {
        let fixture = try RunnerFixture(command: ["{python}", "raw_peer.py", "die"])
        let outcomes = try await fixture.run("a", "b")
        #expect(outcomes.map { $0.failure?.code } == ["model_unavailable", "model_unavailable"])
        #expect(outcomes.allSatisfy { $0.failure?.retryable == true })
    }

    @Test("gives up a handler that is not ready in time")
    func startLimit() async throws {
        let fixture = try RunnerFixture(command: ["{python}", "raw_peer.py", "silent"]) { $0.startMax = .milliseconds(300) }
        let failure = try await #require(throws: JobFailure.self) { try await fixture.runner.load() }
        #expect(failure.message == "the handler was not ready after 0.3 s")
        #expect(fixture.leftovers.isEmpty)
    }

    @Test("takes what is printed as log lines of the one job that runs, cut and repaired")
    func noise() async throws {
        let fixture = try RunnerFixture { $0.lineBytesMax = 100 }
        let failure = try #require(try await fixture.run("noise").only?.failure)
        #expect(failure.message == "the handler exited with status 0")
        let lines = fixture.observer.lines
        #expect(lines == ["caf\u{FFFD}", "x" + String(repeating: "y", count: 99) + "... (9901 bytes left out)", "new", "no end"])
        guard case .log(_, let item) = fixture.observer.events.dropFirst().first else { return #expect(Bool(false)) }
        #expect(item == 1)
        await fixture.runner.close()
    }

    @Test("refuses an input that no frame can hold, and runs its neighbours")
    func tooLarge() async throws {
        let fixture = try RunnerFixture()
        let outcomes = try await fixture.run(.string(String(repeating: "x", count: 1 << 20)), "b")
        #expect(outcomes[0].failure?.code == "too_large")
        #expect(outcomes[1].json == ["echo": "b"])
        await fixture.runner.close()
    }

    @Test("gives the handler an environment of its own and no descriptors of the worker")
    func surroundings() async throws {
        let fixture = try RunnerFixture(environment: ["MILLRACE_THREADS": "2"])
        let outcomes = try await fixture.run("environment", "descriptors")
        let variables = try #require(outcomes[0].json?.objectValue)
        #expect(variables["MILLRACE_THREADS"] == "2")
        #expect(variables["MILLRACE_MODEL_DIR"] == .string(RunnerFixture.peers))
        #expect(variables["PYTHONUNBUFFERED"] == "1")
        let allowed: Set = [
            "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME",
            "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "MILLRACE_HANDLER_SOCKET", "MILLRACE_HANDLER_FEATURES", "MILLRACE_MODEL_DIR",
            "MILLRACE_THREADS",
            // What a shell script in front of the interpreter (pyenv's) adds by itself.
            "PWD", "SHLVL", "_", "OLDPWD",
        ]
        #expect(variables.keys.filter { !allowed.contains($0) && !$0.contains("PYENV_") }.isEmpty)
        let descriptors = try #require(outcomes[1].json?.arrayValue).compactMap(\.stringValue)
        #expect(descriptors.filter { $0.hasPrefix("socket:") }.count == 2)
        #expect(descriptors.filter { $0.hasPrefix("pipe:") }.count == 2)
        await fixture.runner.close()
    }
}
