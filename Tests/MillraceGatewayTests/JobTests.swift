import HTTPTypes
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Testing

@testable import MillraceGateway

@Suite("Reading and steering jobs")
struct JobTests {
    @Test("The same Idempotency-Key and request give the same job, also when many come at once")
    func idempotency() async throws {
        try await withGateway { gateway in
            let first = try await gateway.submit(#"{"input":"a","parameters":{"top":2}}"#, ["idempotency-key": "k1"])
            #expect(first.headers.first(name: "idempotency-replayed") == nil)
            // The order of members and a default that is spelled out make no other request.
            let second = try await gateway.submit(#"{"parameters":{"language":"en","top":2},"input":"a"}"#, ["idempotency-key": "k1"])
            #expect(second.status == 202 && second.headers.first(name: "idempotency-replayed") == "true")
            #expect(try first.json(JobResource.self).id == second.json(JobResource.self).id)
            let other = try await gateway.submit(#"{"input":"b","parameters":{"top":2}}"#, ["idempotency-key": "k1"])
            #expect(other.status == 422 && other.problem?.code == "idempotency_conflict")

            let form = Form().file("f", "f.txt", Array("hello".utf8)).finished
            let ids = try await withThrowingTaskGroup(of: JobID.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        try await gateway.send(.POST, "/v1/endpoints/text/jobs", ["content-type": "multipart/form-data; boundary=XyZ", "idempotency-key": "k2"], form)
                            .json(JobResource.self).id
                    }
                }
                return try await group.reduce(into: Set<JobID>()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            let changed = Form().file("f", "f.txt", Array("hellO".utf8)).finished
            let conflict = try await gateway.send(.POST, "/v1/endpoints/text/jobs", ["content-type": "multipart/form-data; boundary=XyZ", "idempotency-key": "k2"], changed)
            #expect(conflict.status == 422)
        }
    }

    @Test("A replay of a job that has ended is answered with 200")
    func replayOfFinished() async throws {
        try await withGateway { gateway in
            _ = try await gateway.submit(["idempotency-key": "k"])
            try await gateway.succeed(try await gateway.lease()[0])
            let again = try await gateway.submit(["idempotency-key": "k"])
            #expect(try again.status == 200 && again.json(JobResource.self).state == .succeeded)
        }
    }

    @Test("Prefer: wait answers with the finished job when it ends in time, else with 202")
    func preferWait() async throws {
        try await withGateway { gateway in
            async let answer = gateway.submit(["prefer": "respond-async, wait=30"])
            try await eventually(gateway.store.changes, .backlog) { try await gateway.store.backlog().contains { $0.ready == 1 } }
            try await gateway.succeed(try await gateway.lease()[0])
            let waited = try await answer
            #expect(waited.status == 200 && waited.headers.first(name: "preference-applied") == "wait=30")
            #expect(try waited.json(JobResource.self).outputs.map(\.name) == ["result"])
            let short = try await gateway.submit(["prefer": "wait=0"])
            #expect(short.status == 202 && short.headers.first(name: "preference-applied") == "wait=0")
            async let shown = gateway.send(.GET, "/v1/jobs/\(try short.json(JobResource.self).id)?wait=30")
            try await gateway.fail(try await gateway.lease()[0], JobFailure(.invalidInput, "no"))
            #expect(try await shown.json(JobResource.self).state == .failed)
        }
    }

    @Test("Waits are understood as RFC 7240 has them, and capped")
    func preferences() {
        func wait(_ values: String...) -> Duration? {
            var fields = HTTPFields()
            for value in values { fields.append(HTTPField(name: .prefer, value: value)) }
            return Preference.wait(in: fields, limit: .seconds(60))
        }
        #expect(wait("wait=10") == .seconds(10))
        #expect(wait("respond-async, Wait=10; x=y") == .seconds(10))
        #expect(wait("handling=lenient", "wait=5") == .seconds(5))
        #expect(wait("wait=600") == .seconds(60))
        #expect(wait("wait=x") == nil && wait("respond-async") == nil && wait() == nil && wait("wait=-1") == nil)
    }

    @Test("A list goes page by page, newest first, filtered, with nothing left out or twice")
    func list() async throws {
        try await withGateway { gateway in
            for index in 0..<7 { _ = try await gateway.submit(#"{"input":\#(index)}"#) }
            let png = try await gateway.send(.POST, "/v1/endpoints/pictures/jobs", ["content-type": "image/png"], Samples.png())
            #expect(png.status == 202)
            try await gateway.succeed(try await gateway.lease(jobsMax: 1)[0])
            var seen: [JobID] = []
            var cursor = ""
            repeat {
                let page = try await gateway.send(.GET, "/v1/jobs?endpoint=text&state=queued,running&limit=2\(cursor)").json(JobList.self)
                seen += page.jobs.map(\.id)
                #expect(page.jobs.count <= 2)
                cursor = page.nextCursor.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(seen.count == 6 && seen == seen.sorted(by: >))
            #expect(try await gateway.send(.GET, "/v1/jobs").json(JobList.self).jobs.count == 8)
            #expect(try await gateway.send(.GET, "/v1/jobs?state=succeeded").json(JobList.self).jobs.count == 1)
        }
    }

    @Test(
        "A list that is asked for wrongly is an error with a hint",
        arguments: [
            ("stat=queued", "did you mean \"state\"?"), ("state=qeued", "did you mean \"queued\"?"), ("limit=0", "1 to 200"),
            ("limit=1&limit=2", "twice"), ("cursor=x", "cursor"), ("key=mr_x", "unknown query key"),
        ])
    func badList(query: String, says: String) async throws {
        try await withGateway { gateway in
            let answer = try await gateway.send(.GET, "/v1/jobs?\(query)")
            let problem = try #require(answer.problem)
            #expect(answer.status == 400 && "\(problem.detail) \(problem.hint ?? "")".contains(says), "\(problem)")
        }
    }

    @Test("A job is cancelled and sent round again; one that succeeded is not")
    func steering() async throws {
        try await withGateway { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            #expect(try await gateway.send(.POST, "/v1/jobs/\(id)/cancel").json(JobResource.self).state == .cancelled)
            let result = try await gateway.send(.GET, "/v1/jobs/\(id)/result")
            #expect(result.status == 409 && result.problem?.code == "result_not_ready")
            let retried = try await gateway.send(.POST, "/v1/jobs/\(id)/retry")
            #expect(try retried.status == 202 && retried.json(JobResource.self).state == .queued)
            try await gateway.succeed(try await gateway.lease()[0])
            let refused = try await gateway.send(.POST, "/v1/jobs/\(id)/retry")
            #expect(refused.status == 409 && refused.problem?.code == "state_conflict")
            let unknown = try await gateway.send(.GET, "/v1/jobs/01900000-0000-7000-8000-000000000000")
            #expect(unknown.status == 404 && unknown.problem?.code == "job_unknown")
            #expect(try await gateway.send(.GET, "/v1/jobs/x").problem?.code == "job_unknown")
        }
    }

    @Test("The lines of a job's log are listed with their time and level")
    func logs() async throws {
        try await withGateway { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            let job = try await gateway.lease()[0]
            _ = try await gateway.queue.renew([
                LeaseRenewal(
                    job: id, token: job.lease!.token, duration: .seconds(15), progress: JobProgress(done: 1),
                    logs: [LogLine(level: .info, message: "one"), LogLine(level: .error, message: "two")])
            ])
            let lines = try await gateway.send(.GET, "/v1/jobs/\(id)/logs").json(LogList.self).lines
            #expect(lines.map(\.message) == ["one", "two"] && lines.map(\.level) == [.info, .error])
        }
    }

    @Test("Traceparents that are none are not kept")
    func traceparents() {
        #expect(JobAdmission.isTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        #expect(JobAdmission.isTraceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"))
        for bad in [
            "", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] { #expect(!JobAdmission.isTraceparent(bad), "\(bad)") }
    }
}

extension Harness {
    func submit(_ headers: HTTPHeaders) async throws -> Answer {
        try await submit(#"{"input":{"text":"good"}}"#, to: "text", headers)
    }

    func submit(_ json: String, _ headers: HTTPHeaders) async throws -> Answer {
        try await submit(json, to: "text", headers)
    }
}
