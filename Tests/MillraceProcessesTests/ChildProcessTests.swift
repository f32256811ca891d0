import Foundation
import MillraceProcesses
import Synchronization
import Testing

@Suite("A child process", .timeLimit(.minutes(1)))
struct ChildProcessTests {
    private func run(
        _ script: String, arguments: [String] = [], life: ChildProcess.Life = .own,
        signals: AsyncStream<ChildProcess.Signal> = .makeStream().stream
    ) async -> (status: ChildExit, output: String, error: String) {
        let said = Mutex<(output: String, error: String)>(("", ""))
        let command = ChildCommand(["/bin/sh", "-c", script] + arguments, environment: ["PATH": "/usr/bin:/bin", "WORD": "hello"], in: "/")!
        let status = await ChildProcess.run(command, life: life, signals: signals) { bytes, stream in
            let text = String(decoding: bytes, as: UTF8.self)
            said.withLock { said in if stream == .output { said.output += text } else { said.error += text } }
        }
        return said.withLock { (status, $0.output, $0.error) }
    }

    @Test("has its own environment, and is heard and awaited", arguments: [ChildProcess.Life.own, .tethered])
    func plain(life: ChildProcess.Life) async {
        let end = await run("echo $WORD $HOME; echo oh >&2; exit 4", life: life)
        #expect(end.status == .exited(4) && end.output == "hello\n" && end.error == "oh\n")
    }

    @Test("is given no input", arguments: [ChildProcess.Life.own, .tethered])
    func input(life: ChildProcess.Life) async {
        #expect(await run("cat", life: life).status == .exited(0))
    }

    @Test("gets signals with its whole session", arguments: [ChildProcess.Life.own, .tethered])
    func signals(life: ChildProcess.Life) async {
        let (signals, signaller) = AsyncStream<ChildProcess.Signal>.makeStream()
        signaller.yield(.terminate)
        #expect(await run("sleep 600 & wait", life: life, signals: signals).status == .signaled(15))
    }

    @Test("leaves nothing of its session behind", arguments: [ChildProcess.Life.own, .tethered])
    func leftovers(life: ChildProcess.Life) async throws {
        let end = await run("sleep 600 & echo $!", life: life)
        let left = try #require(pid_t(end.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        // It dies a moment after its files are closed, and may then wait to be reaped by whoever adopts it.
        while let state = try? String(contentsOfFile: "/proc/\(left)/stat", encoding: .utf8), !state.contains(") Z ") { await Task.yield() }
        #expect(end.status == .exited(0))
    }

    @Test("that is tethered ends when whoever holds the tether is gone")
    func tether() async {
        // The other end is held by a program that ends without a word, as a killed worker does.
        let command = ChildCommand(["sleep", "600"], environment: ["PATH": "/usr/bin:/bin"], in: "/")!.tethered
        let end = await run(#"true | setsid --wait "$0" "$@"; echo $?"#, arguments: [command.program] + command.arguments)
        #expect(end.output == "143\n", "\(end)")
    }

    @Test("that listens reads what was written for it, and hears when nobody is there any more")
    func listening() async throws {
        let pipe = try #require(ChildProcess.makePipe())
        #expect(write(pipe.writing, "word\n", 5) == 5)
        close(pipe.writing)
        let end = await run("read -r line; echo $line; cat; echo end", life: .listening(pipe.reading))
        #expect(end.output == "word\nend\n" && end.status == .exited(0))
    }

    @Test("is not started when there is no such program")
    func missing() async {
        let command = ChildCommand(["no-such-program"], environment: ["PATH": "/bin"], in: "/")!
        #expect(command.programPath == nil)
        let status = await ChildProcess.run(command, signals: .makeStream().stream) { _, _ in }
        #expect(status.isNotStarted)
        #expect(ChildCommand(["sh"], environment: ["PATH": "/nowhere:/bin"], in: "/")?.programPath == "/bin/sh")
        #expect(ChildCommand(["bin/sh"], environment: [:], in: "/")?.program == "//bin/sh")
        #expect(ChildCommand([], environment: [:], in: "/") == nil)
    }
}
