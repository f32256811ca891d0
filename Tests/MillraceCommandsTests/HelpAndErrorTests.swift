import Foundation
import MillraceFakeServer
import Testing

@testable import MillraceCommands

/// What people read, kept as files in `Snapshots/`. After a change that is meant, run the tests once with
/// `MILLRACE_SNAPSHOTS=write` and look at the difference.
@Suite("Help and error texts", .timeLimit(.minutes(1)))
struct HelpAndErrorTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Snapshots").path

    func check(_ text: String, _ name: String) throws {
        let path = "\(Self.folder)/\(name).txt"
        if ProcessInfo.processInfo.environment["MILLRACE_SNAPSHOTS"] == "write" {
            try FileManager.default.createDirectory(atPath: Self.folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: path))
        }
        let expected = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text == expected, "\(name) has changed")
    }

    @Test(
        "of every command are as they were",
        arguments: [
            [], ["submit"], ["jobs"], ["jobs", "list"], ["jobs", "show"], ["jobs", "watch"], ["jobs", "result"], ["jobs", "logs"],
            ["jobs", "cancel"], ["jobs", "retry"], ["jobs", "count"], ["jobs", "history"], ["endpoints"], ["endpoints", "list"], ["endpoints", "pause"],
            ["endpoints", "resume"], ["endpoints", "drain"], ["dead-letters"], ["dead-letters", "list"], ["dead-letters", "show"],
            ["dead-letters", "redrive"], ["workers"], ["scaling"], ["scaling", "show"], ["scaling", "decisions"], ["scaling", "starts"], ["scaling", "cost"],
            ["simulate"],
        ])
    func help(command: [String]) async throws {
        let outcome = await CommandFixture().run(command + ["--help"])
        #expect(outcome.status == 0 && outcome.error.isEmpty)
        try check(outcome.output, (["help"] + command).joined(separator: "-"))
    }

    @Test("of a wrong command line are as they were, and exit with 2")
    func usage() async throws {
        let lines = [
            ["submit"], ["submit", "ocr"], ["submit", "ocr", "x", "--output", "y"], ["submit", "ocr", "x", "--param", "novalue"],
            ["submit", "ocr", "x", "--priority", "10"], ["jobs", "show", "123"], ["jobs", "list", "--state", "runing"], ["nonsense"],
            ["jobs", "cancel"], ["jobs", "cancel", "--all", "--endpoint", "ocr"], ["jobs", "cancel", "--state", "failed"],
            ["submit", "ocr", "x", "--delay", "soon"], ["submit", "ocr", "x", "--run-at", "2020-01-01T00:00:00Z"], ["dead-letters", "redrive"],
            ["submit", "ocr", "--input", "no json"],
        ]
        var text = ""
        for line in lines {
            let outcome = await CommandFixture().run(line)
            #expect(outcome.status == 2 && outcome.output.isEmpty, "\(line): \(outcome.text)")
            text += "$ millrace \(line.joined(separator: " "))\n\(outcome.error)\n"
        }
        try check(text, "usage-errors")
    }

    @Test("of a server that is not there tell what to do, and exit with 3")
    func unreachable() async throws {
        let outcome = await CommandFixture().run("workers", "--server", "http://127.0.0.1:1")
        #expect(outcome.status == 3)
        #expect(
            outcome.error == """
                error: cannot reach Millrace at http://127.0.0.1:1 (connection refused); is it running? start it with `millrace serve`

                """)
    }

    @Test(
        "of a server that refuses exit with a code of their own",
        arguments: [(401, Int32(5)), (403, 5), (404, 4), (409, 6), (422, 6), (500, 1)])
    func refusals(status: Int, code: Int32) async throws {
        let (outcome, _) = try await CommandFixture().run("workers") { _ in .problem(status, code: "x", detail: "because", hint: "do that") }
        #expect(outcome.status == code)
        #expect(outcome.error == "error: because (x)\nhint: do that\n")
    }

    @Test("name every exit code once")
    func registry() {
        #expect(Set(ChildExit.allCases.map(\.rawValue)).count == ChildExit.allCases.count)
        #expect(ChildExit.help.split(separator: "\n").count == ChildExit.allCases.count)
    }
}
