import MillraceCore
import MillraceFakeServer
import MillraceWire
import Testing

@testable import MillraceCommands

@Suite("millrace jobs and its neighbours", .timeLimit(.minutes(1)))
struct JobsCommandTests {
    static let list: String = {
        let jobs = [
            SampleJob.resource(.running) { $0.progress = JobProgress(done: 3, total: 7, unit: "pages") },
            SampleJob.resource(.failed) { $0.failure = JobFailure(code: "bad_page", message: "page 3 is blank", retryable: false) },
            SampleJob.resource(.queued) { job in
                job.leases = 1
                job.attempt = 1
                job.runAt = job.createdAt + .seconds(25)
            },
        ]
        return (try? MillraceJSON.string(JobList(jobs: jobs, nextCursor: "abc"))) ?? ""
    }()

    @Test("list shows a table, and where it goes on")
    func lists() async throws {
        let (outcome, requests) = try await CommandFixture().run("jobs", "list", "--state", "running,failed") { _ in .json(Self.list) }
        #expect(
            outcome.output == """
                JOB                                   STATE     ENDPOINT   CREATED  REMARK
                \(SampleJob.id)  running   ocr       20 s ago  3/7 pages
                \(SampleJob.id)  failed    ocr       20 s ago  bad_page: page 3 is blank
                \(SampleJob.id)  retrying  ocr       20 s ago  attempt 2 of 4 in 5 s

                """)
        #expect(outcome.error == "there are more: --cursor abc\n")
        #expect(requests[0].path == "/v1/jobs?state=running%2Cfailed&limit=20")
    }

    @Test("list fits its table to the terminal and colours the state")
    func terminal() async throws {
        let fixture = CommandFixture(isTerminal: true, usesColor: true, width: 80)
        let (outcome, _) = try await fixture.run("jobs") { _ in .json(Self.list) }
        #expect(outcome.output.contains("\u{1B}[31mfailed  \u{1B}[0m"))
        for line in outcome.output.split(separator: "\n") {
            #expect(line.replacing(#/\u{1B}\[\d+m/#, with: "").count <= 80)
        }
    }

    static let history = #"""
        {"history":[
        {"sequence":1,"at":"2026-11-21T10:00:00.000Z","state":"queued","attempt":0,"reason":"submitted"},
        {"sequence":2,"at":"2026-11-21T10:00:02.500Z","state":"running","attempt":1,"reason":"leased","worker":"01931d7f-7f4c-7000-8000-00000000000a"},
        {"sequence":5,"at":"2026-11-21T10:00:04.500Z","state":"queued","attempt":1,"reason":"retry after bad_page","runAt":"2026-11-21T10:00:13.500Z"}]}
        """#

    @Test("show lists every fact once")
    func show() async throws {
        let (outcome, _) = try await CommandFixture().run("jobs", "show", "\(SampleJob.id)") { request in
            if request.path.hasSuffix("/history") { return .json(Self.history) }
            return .json(
                SampleJob.json(.failed) { job in
                    job.attempt = 2
                    job.parameters = ["language": "en"]
                    job.failure = JobFailure(
                        code: "handler_crashed", message: "it died", hint: "less input", retryable: true, stderrTail: "one\n\u{1B}two")
                })
        }
        #expect(
            outcome.output == """
                job        \(SampleJob.id)
                state      failed
                endpoint   ocr
                created    2023-11-14T22:13:20.000Z (20 s ago)
                started    2023-11-14T22:13:21.000Z
                finished   2023-11-14T22:13:33.000Z
                attempt    2 of 4
                parameter  language = "en"
                error      it died (handler_crashed)
                hint       less input
                stderr     one
                stderr     \u{FFFD}two

                TIME                      AFTER  STATE    ATTEMPT  WHY                               WORKER
                2026-11-21T10:00:00.000Z         queued            submitted
                2026-11-21T10:00:02.500Z  2.5 s  running        1  leased                            01931d7f-7f4c-7000-8000-00000000000a
                2026-11-21T10:00:04.500Z    2 s  queued         1  retry after bad_page (waits 9 s)

                """)
    }

    @Test("watch shows the log as it comes, and JSON lines when asked")
    func watch() async throws {
        let (outcome, _) = try await CommandFixture().run("jobs", "watch", "\(SampleJob.id)", answer: SubmitCommandTests.server())
        #expect(outcome.error.contains("info     hello\n") && outcome.status == 0 && outcome.output.isEmpty)
        let (json, _) = try await CommandFixture().run("jobs", "watch", "\(SampleJob.id)", "--json", answer: SubmitCommandTests.server())
        let lines = json.output.split(separator: "\n")
        #expect(lines.count == 5)
        #expect(lines[2] == #"{"at":"2026-11-21T10:00:03.000Z","data":{"done":3,"total":7,"unit":"pages"},"event":"progress","sequence":3}"#)
    }

    @Test("logs print one line each")
    func logs() async throws {
        let body = #"{"lines":[{"sequence":1,"at":"2026-11-21T10:35:49.120Z","level":"warning","message":"blank\u001b[2J page"}]}"#
        let (outcome, _) = try await CommandFixture().run("jobs", "logs", "\(SampleJob.id)") { _ in .json(body) }
        #expect(outcome.output == "10:35:49  warning  blank\u{FFFD}[2J page\n")
    }

    @Test("cancel and retry take several jobs and fail with the first trouble")
    func steering() async throws {
        let other = "01931d7f-7f4c-7000-8000-000000000002"
        let (outcome, _) = try await CommandFixture().run("jobs", "cancel", "\(SampleJob.id)", other) { request in
            request.path.contains(other)
                ? .problem(404, code: "job_unknown", detail: "there is no job \(other)")
                : .json(SampleJob.json(.running) { $0.cancelRequestedAt = $0.createdAt })
        }
        #expect(outcome.output == "\(SampleJob.id)  running (being cancelled)\n")
        #expect(outcome.error == "\(other)  error: there is no job \(other) (job_unknown)\n")
        #expect(outcome.status == 4)
        let (retried, requests) = try await CommandFixture().run("jobs", "retry", "\(SampleJob.id)") { _ in .json(SampleJob.json(), status: 202) }
        #expect(retried.output == "\(SampleJob.id)  queued\n" && requests[0].path == "/v1/jobs/\(SampleJob.id)/retry")
    }

    @Test("endpoints shows all, or one with its parameters")
    func endpoints() async throws {
        let endpoint = EndpointResource(
            name: "ocr", model: "pp-ocr", modelVersion: "abcdef0123456789", description: "reads documents", variant: "a",
            accepts: ["application/pdf"],
            parameters: ["language": ParameterDeclaration(type: .string, description: "of the text", default: "en")], queued: 2,
            running: 1, workers: 1, bytesMax: 50_000_000)
        let body = try MillraceJSON.string(EndpointList(endpoints: [endpoint]))
        let (all, _) = try await CommandFixture().run("endpoints") { _ in .json(body) }
        #expect(
            all.output == """
                ENDPOINT  MODE  QUEUED  RUNNING  WORKERS  MODEL   DESCRIPTION
                ocr       open       2        1        1  pp-ocr  reads documents

                """)
        let (one, _) = try await CommandFixture().run("endpoints", "ocr") { _ in .json(body) }
        #expect(one.output.hasSuffix("\n\nPARAMETER  TYPE    DEFAULT  DESCRIPTION\nlanguage   string  en       of the text\n"))
        let (none, _) = try await CommandFixture().run("endpoints", "orc") { _ in .json(body) }
        #expect(none.status == 4 && none.error == "error: there is no endpoint \"orc\"\nhint: did you mean \"ocr\"?\n")
    }
}
