import Foundation
import MillraceCore
import MillraceFakeServer
import MillraceWire
import Testing

@testable import MillraceCommands

@Suite("millrace submit", .timeLimit(.minutes(1)))
struct SubmitCommandTests {
    static let events =
        SampleJob.event(1, "state", #""state":"queued","attempt":0,"reason":"submitted""#)
        + SampleJob.event(2, "state", #""state":"running","attempt":1,"reason":"leased""#)
        + SampleJob.event(3, "progress", #""done":3,"total":7,"unit":"pages""#)
        + SampleJob.event(4, "log", #""level":"info","message":"hello""#)
        + SampleJob.event(5, "state", #""state":"succeeded","attempt":1,"reason":"completed""#)

    static func output(_ name: String, _ type: String) -> JobFile {
        JobFile(name: name, blob: BlobID(high: 0, low: 1), mediaType: type, bytes: 5, sha256: "0")
    }

    /// A server on which one job goes through.
    static func server(_ end: JobState = .succeeded, type: String = "application/json", result: String = #"{"text":"hi"}"#) -> FakeServer.Answer {
        { request in
            let path = request.path.split(separator: "?")[0]
            if request.method == "POST" { return .json(SampleJob.json(), status: 202) }
            if path.hasSuffix("/events") { return .events(events) }
            if path.contains("/result") { return .bytes(result, type: type) }
            return .json(
                SampleJob.json(end) { job in
                    if end == .succeeded { job.outputs = [output("result.json", type), output("page.png", "image/png")] }
                    if end == .failed { job.failure = JobFailure(code: "bad_page", message: "page 3 is blank", hint: "scan it again", retryable: false) }
                })
        }
    }

    @Test("prints the id, and says how to follow it")
    func id() async throws {
        let (outcome, requests) = try await CommandFixture().run(
            "submit", "senti", "--input", #"{"text": "x"}"#, "--param", "topK=3", "--param", "a=b=c", "--priority", "9", "--key", "secret",
            answer: Self.server())
        #expect(outcome.output == "\(SampleJob.id)\n")
        #expect(outcome.error == "queued; follow it with: millrace jobs watch \(SampleJob.id)\n")
        #expect(outcome.status == 0)
        #expect(requests[0].text == #"{"input":{"text":"x"},"parameters":{"a":"b=c","topK":"3"},"priority":9}"#)
        #expect(requests[0]["Authorization"] == "Bearer secret")
    }

    @Test("prints JSON and nothing else on standard output")
    func json() async throws {
        let (outcome, _) = try await CommandFixture().run("submit", "ocr", "--input", "1", "--json", answer: Self.server())
        let job = try MillraceJSON.decode(JobResource.self, from: outcome.output)
        #expect(job.id == SampleJob.id && outcome.error.isEmpty)
        let (waited, _) = try await CommandFixture().run("submit", "ocr", "--input", "1", "--json", "--wait", answer: Self.server())
        #expect(try MillraceJSON.decode(JobResource.self, from: waited.output).state == .succeeded)
    }

    @Test("waits with plain lines where nobody looks, and pipes the result")
    func waits() async throws {
        let (outcome, _) = try await CommandFixture().run("submit", "ocr", "--input", "1", "--wait", answer: Self.server())
        #expect(outcome.output == #"{"text":"hi"}"#)
        #expect(
            outcome.error == """
                ocr: queued
                ocr: running
                ocr: 3/7 pages, 42 %
                ocr: succeeded
                ocr  succeeded: waited 1 s, ran 12 s

                """)
        #expect(outcome.status == 0)
    }

    @Test("waits with one redrawn line on a terminal")
    func redraws() async throws {
        let (outcome, _) = try await CommandFixture(isTerminal: true, width: 60).run("submit", "ocr", "--input", "1", "--wait", answer: Self.server())
        let drawn = outcome.error.components(separatedBy: "\r\u{1B}[K")
        #expect(drawn.contains { $0.hasPrefix("ocr  running  [") && $0.contains("3/7 pages") })
        #expect(drawn.allSatisfy { $0.count < 60 })
        #expect(outcome.error.hasSuffix("\r\u{1B}[Kocr  succeeded: waited 1 s, ran 12 s\n"))
        #expect(outcome.output == #"{"text":"hi"}"# + "\n")
    }

    @Test("exits with 1 when the job failed, and says why and what to do")
    func failed() async throws {
        let (outcome, _) = try await CommandFixture().run("submit", "ocr", "--input", "1", "--wait", answer: Self.server(.failed))
        #expect(outcome.status == 1 && outcome.output.isEmpty)
        #expect(outcome.error.hasSuffix("error: the job failed: page 3 is blank (bad_page)\nhint: scan it again\n"))
    }

    @Test("leaves the job running on Ctrl-C, and says so")
    func interrupted() async throws {
        var fixture = CommandFixture()
        fixture.interruption = {}
        let (outcome, requests) = try await fixture.run("submit", "ocr", "--input", "1", "--wait") { request in
            request.method == "POST" ? .json(SampleJob.json(), status: 202) : .events("", breaksOff: true)
        }
        #expect(outcome.status == 130)
        #expect(outcome.error == "stopped waiting; job \(SampleJob.id) goes on. Follow it with: millrace jobs watch \(SampleJob.id)\n")
        #expect(!requests.contains { $0.path.hasSuffix("/cancel") })
    }

    @Test("uploads files and saves every output into a folder")
    func folder() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "mc-\(UInt32.random(in: 0 ... .max))").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Data("content".utf8).write(to: URL(filePath: "\(directory)/in.txt"))
        let (outcome, requests) = try await CommandFixture(isTerminal: true).run(
            "submit", "ocr", "\(directory)/in.txt", "--wait", "--output", "\(directory)/out/", answer: Self.server())
        #expect(outcome.status == 0 && outcome.output.isEmpty)
        #expect(requests[0].text.contains("filename=\"in.txt\"") && requests[0].text.contains("content"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(directory)/out").sorted() == ["page.png", "result.json"])
        #expect(outcome.error.contains("saved \(directory)/out/page.png (13 B)\n"))
    }

    @Test("does not write bytes on a terminal")
    func binary() async throws {
        let answer = Self.server(type: "image/png", result: "\u{1}\u{2}")
        let (outcome, _) = try await CommandFixture(isTerminal: true).run("jobs", "result", "\(SampleJob.id)", answer: answer)
        #expect(outcome.status == 1 && outcome.output.isEmpty)
        #expect(outcome.error.contains("error: the result is image/png, 2 B, which is not for a terminal\nhint: save it with --output FILE"))
        let (piped, _) = try await CommandFixture().run("jobs", "result", "\(SampleJob.id)", answer: answer)
        #expect(piped.output == "\u{1}\u{2}")
    }

    @Test("takes the key from the data directory when nobody gives one")
    func keyFile() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "mk-\(UInt32.random(in: 0 ... .max))").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Data("from-file\n".utf8).write(to: URL(filePath: "\(directory)/api-key"))
        let (_, requests) = try await CommandFixture(variables: ["MILLRACE_DATA": directory]).run("endpoints", answer: { _ in .json(#"{"endpoints":[]}"#) })
        #expect(requests[0]["Authorization"] == "Bearer from-file")
        let (_, others) = try await CommandFixture(variables: ["MILLRACE_DATA": directory, "MILLRACE_API_KEY": "k"])
            .run("endpoints", answer: { _ in .json(#"{"endpoints":[]}"#) })
        #expect(others[0]["Authorization"] == "Bearer k")
    }
}
