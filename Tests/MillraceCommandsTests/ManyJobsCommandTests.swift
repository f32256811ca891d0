import MillraceCore
import MillraceFakeServer
import MillraceWire
import Synchronization
import Testing

@testable import MillraceCommands

@Suite("Many jobs at once, and dead letters", .timeLimit(.minutes(1)))
struct ManyJobsCommandTests {
    private static func server(_ count: Int, _ steps: [JobsChanged] = []) -> FakeServer.Answer {
        let rest = Mutex(steps)
        return { request in
            if request.path.hasPrefix("/v1/jobs/count") { return .json(#"{"count":\#(count)}"#) }
            let step = rest.withLock { $0.isEmpty ? JobsChanged(changed: count) : $0.removeFirst() }
            return .json((try? MillraceJSON.string(step)) ?? "")
        }
    }

    @Test("count asks with the filters; a time may be how long ago")
    func counts() async throws {
        let (outcome, requests) = try await CommandFixture().run(
            "jobs", "count", "--endpoint", "ocr", "--state", "failed", "--code", "worker_lost", "--created-after", "2h", answer: Self.server(17))
        #expect(outcome.output == "17\n")
        let since = SampleJob.createdAt + .seconds(20) - .seconds(7200)
        #expect(requests[0].path == "/v1/jobs/count?endpoint=ocr&state=failed&code=worker_lost&createdAfter=\("\(since)".replacing(":", with: "%3A"))")
    }

    @Test("cancel counts first, asks who sits at a terminal, and goes on until the server has no more")
    func cancels() async throws {
        var fixture = CommandFixture()
        let questions = Mutex<[String]>([])
        let said = Mutex("n")
        fixture.answer = { question in
            questions.withLock { $0.append(question) }
            return said.withLock { $0 }
        }
        let steps = [JobsChanged(changed: 2000, more: true), JobsChanged(changed: 1000)]
        let (refused, none) = try await fixture.run("jobs", "cancel", "--endpoint", "ocr", "--state", "queued", answer: Self.server(3000))
        #expect(refused.status == 1 && refused.error == "nothing was changed\n" && none.count == 1)
        said.withLock { $0 = "y" }
        let (outcome, requests) = try await fixture.run(
            "jobs", "cancel", "--endpoint", "ocr", "--state", "queued", answer: Self.server(3000, steps))
        #expect(outcome.output == "cancelled 3000 jobs\n" && outcome.status == 0)
        #expect(questions.withLock { $0 } == ["cancel 3000 jobs? [y/N] ", "cancel 3000 jobs? [y/N] "])
        #expect(requests.map(\.path) == ["/v1/jobs/count?endpoint=ocr&state=queued", "/v1/jobs/cancel", "/v1/jobs/cancel"])
        #expect(requests[1].text == #"{"endpoint":"ocr","state":["queued"]}"#)
        let (sure, _) = try await fixture.run("jobs", "cancel", "--all", "--yes", "--json", answer: Self.server(2))
        #expect(sure.output == "{\"changed\":2}\n" && questions.withLock { $0.count } == 2)
        let (empty, _) = try await fixture.run("jobs", "cancel", "--all", answer: Self.server(0))
        #expect(empty.status == 0 && empty.error == "no job is selected by that; nothing was changed\n")
    }

    @Test("dead letters are listed with their errors and sent round again")
    func deadLetters() async throws {
        let job = SampleJob.resource(.failed) { job in
            job.attempt = 4
            job.failure = JobFailure(code: "handler_error", message: "it broke", retryable: true)
        }
        let list = try MillraceJSON.string(DeadLetterList(jobs: [job], codes: ["handler_error": 1], nextCursor: nil))
        let (listed, requests) = try await CommandFixture().run("dead-letters", "--code", "handler_error") { _ in .json(list) }
        #expect(
            listed.output == """
                JOB                                   ENDPOINT   FAILED  ATTEMPTS  CRASHES  ERROR          MESSAGE
                \(SampleJob.id)  ocr       7 s ago         4        0  handler_error  it broke

                """)
        #expect(listed.error == "errors here: 1 handler_error. Send them round again with: millrace dead-letters redrive --all\n")
        #expect(requests[0].path == "/v1/dead-letters?code=handler_error&limit=20")
        let (redriven, sent) = try await CommandFixture().run(
            "dead-letters", "redrive", "--endpoint", "ocr", "--state", "expired", answer: Self.server(1))
        #expect(redriven.output == "redrove 1 job\n")
        #expect(sent.last?.path == "/v1/jobs/redrive" && sent.last?.text == #"{"endpoint":"ocr","state":["expired"]}"#)
        let (one, paths) = try await CommandFixture().run("dead-letters", "redrive", "\(SampleJob.id)") { _ in .json(SampleJob.json(), status: 202) }
        #expect(one.output == "\(SampleJob.id)  queued\n" && paths[0].path == "/v1/jobs/\(SampleJob.id)/retry")
        let (alive, _) = try await CommandFixture().run("dead-letters", "show", "\(SampleJob.id)") { _ in .json(SampleJob.json(.running)) }
        #expect(alive.status == 6 && alive.error.contains("is no dead letter: it is running"))
    }

    @Test("submit says when to run and until when")
    func times() async throws {
        let (outcome, requests) = try await CommandFixture().run(
            "submit", "ocr", "--input", "1", "--delay", "10m", "--deadline", "1h", "--time-to-live", "30") { _ in .json(SampleJob.json(), status: 202) }
        #expect(outcome.status == 0)
        #expect(requests[0].text == #"{"deadlineSeconds":3600,"delaySeconds":600,"input":1,"timeToLiveSeconds":30}"#)
        let (_, at) = try await CommandFixture().run("submit", "ocr", "--input", "1", "--run-at", "2030-01-01T01:00:00+01:00") { _ in
            .json(SampleJob.json(), status: 202)
        }
        #expect(at[0].text == #"{"input":1,"runAt":"2030-01-01T00:00:00.000Z"}"#)
    }

    @Test("an endpoint is paused with a reason, and drained until it is empty")
    func modes() async throws {
        @Sendable func endpoint(_ mode: EndpointMode, _ queued: Int, _ running: Int, reason: String? = nil) -> String {
            let resource = EndpointResource(
                name: "ocr", model: "m", modelVersion: "1", description: nil, variant: "a", accepts: [], parameters: [:], mode: mode,
                modeSince: SampleJob.createdAt, modeReason: reason, queued: queued, running: running, workers: 1, bytesMax: 1)
            return (try? MillraceJSON.string(resource)) ?? ""
        }
        let (paused, requests) = try await CommandFixture().run("endpoints", "pause", "ocr", "--reason", "wrong labels") { _ in .json(endpoint(.paused, 1, 0)) }
        #expect(paused.output == "ocr  paused\n" && paused.error.contains("millrace endpoints resume ocr"))
        #expect(requests[0].path == "/v1/endpoints/ocr/pause" && requests[0].text == #"{"reason":"wrong labels"}"#)
        let list = #"{"endpoints":[\#(endpoint(.paused, 1, 0, reason: "wrong labels"))]}"#
        let (listed, _) = try await CommandFixture().run("endpoints") { _ in .json(list) }
        #expect(listed.error == "ocr is paused (20 s ago): wrong labels\n")

        let left = Mutex([4, 4, 1, 0])
        let (drained, _) = try await CommandFixture().run("endpoints", "drain", "ocr", "--wait") { request in
            request.method == "POST"
                ? .json(endpoint(.draining, 4, 1)) : .json(endpoint(.draining, left.withLock { $0.removeFirst() }, 0))
        }
        #expect(drained.status == 0 && drained.output == "ocr  draining\n")
        #expect(drained.error.hasSuffix("ocr: 4 queued, 0 running\nocr: 1 queued, 0 running\nocr is empty\n"))
        let (ended, _) = try await CommandFixture().run("endpoints", "drain", "ocr", "--wait") { request in
            .json(request.method == "POST" ? endpoint(.draining, 4, 1) : endpoint(.open, 4, 0))
        }
        #expect(ended.status == 1 && ended.error.contains("somebody else ended the draining"))
    }

    @Test("durations are read with a unit, or as seconds", arguments: [("500ms", 500), ("90", 90_000), ("10m", 600_000), ("1.5h", 5_400_000), ("7d", 604_800_000)])
    func durations(text: String, milliseconds: Int64) {
        #expect(DurationArgument(argument: text)?.duration.milliseconds == milliseconds)
        for bad in ["", "-1s", "0", "x", "1w", "1e3s"] { #expect(DurationArgument(argument: bad) == nil) }
    }
}
