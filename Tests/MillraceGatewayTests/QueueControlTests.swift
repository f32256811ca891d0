import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Synchronization
import Testing

@testable import MillraceGateway

@Suite("Times, quotas, modes, filters, dead letters, position and history")
struct QueueControlTests {
    @Test("A job is put off, by a time or a delay, in JSON, in a form and in the query, and may have a deadline")
    func times() async throws {
        try await withGateway { gateway in
            let at = gateway.surroundings.now() + .seconds(3600)
            let timed = try await gateway.submit(#"{"input":1,"runAt":"\#(at)","deadlineSeconds":7200,"timeToLiveSeconds":60}"#).json(JobResource.self)
            #expect(timed.runAt == at && timed.deadline == timed.createdAt + .seconds(7200))
            #expect(timed.expiresAt == at + .seconds(60))
            let form = Form().file("f", "f.txt", Array("hello".utf8)).field("delaySeconds", "90").finished
            let delayed = try await gateway.send(.POST, "/v1/endpoints/text/jobs", Form.headers, form).json(JobResource.self)
            #expect(delayed.runAt == delayed.createdAt + .seconds(90))
            let bare = try await gateway.send(
                .POST, "/v1/endpoints/text/jobs?delaySeconds=90.5&deadlineSeconds=900", ["content-type": "text/plain"], Array("hello".utf8)
            ).json(JobResource.self)
            #expect(bare.runAt == bare.createdAt + .milliseconds(90_500) && bare.deadline == bare.createdAt + .seconds(900))
            #expect(try await gateway.lease().isEmpty)
            // A time that has passed means at once.
            let late = try await gateway.submit(#"{"input":1,"runAt":"2020-01-01T00:00:00Z"}"#).json(JobResource.self)
            #expect(late.runAt == nil && late.deadline == nil)
            #expect(try await gateway.lease().map(\.id) == [late.id])
        }
    }

    @Test(
        "Times that cannot be meant are refused with words",
        arguments: [
            (#"{"input":1,"runAt":"tomorrow"}"#, "runAt"), (#"{"input":1,"delaySeconds":0}"#, "more than 0"),
            (#"{"input":1,"delaySeconds":1,"runAt":"2030-01-01T00:00:00Z"}"#, "two times"), (#"{"input":1,"delaySeconds":40000000}"#, "a year"),
            (#"{"input":1,"delaySeconds":60,"deadlineSeconds":30}"#, "must have ended"), (#"{"input":1,"deadlineSeconds":-1}"#, "more than 0"),
            (#"{"input":1,"delaySecond":1}"#, "did you mean \"delaySeconds\"?"),
        ])
    func badTimes(body: String, says: String) async throws {
        try await withGateway { gateway in
            let problem = try #require(try await gateway.submit(body).problem)
            #expect([400, 422].contains(problem.status) && "\(problem.detail) \(problem.hint ?? "")".contains(says), "\(problem)")
        }
    }

    @Test("An endpoint's deadline holds for jobs that name none; times are part of what makes two requests the same")
    func deadlines() async throws {
        try await withGateway(configured { $0.deadline = .seconds(600) }) { gateway in
            let job = try await gateway.submit().json(JobResource.self)
            #expect(job.deadline == job.createdAt + .seconds(600))
            #expect(try await gateway.submit(#"{"input":1,"delaySeconds":700}"#).problem?.hint?.contains("600 s") == true)
            _ = try await gateway.submit(#"{"input":1,"delaySeconds":5}"#, ["idempotency-key": "k"])
            #expect(try await gateway.submit(#"{"input":1,"delaySeconds":5}"#, ["idempotency-key": "k"]).status == 202)
            #expect(try await gateway.submit(#"{"input":1,"delaySeconds":6}"#, ["idempotency-key": "k"]).status == 422)
        }
    }

    @Test("A full quota is answered with 429 and Retry-After, and leaves nothing behind")
    func quotas() async throws {
        try await withGateway(configured { $0.quotas.tenant.queuedMax = 1 }) { gateway in
            #expect(try await gateway.submit(["idempotency-key": "k"]).status == 202)
            let refused = try await gateway.send(.POST, "/v1/endpoints/text/jobs", Form.headers, Form().file("f", "f.txt", Array("hello".utf8)).finished)
            #expect(refused.status == 429 && refused.problem?.code == "quota_exceeded")
            #expect(refused.headers.first(name: "retry-after").flatMap { Int($0) } ?? 0 >= 1)
            #expect(gateway.blobs.state.withLock { $0.blobs.isEmpty })
            // What came before is no new job.
            #expect(try await gateway.submit(["idempotency-key": "k"]).status == 202)
        }
        try await withGateway(configured { $0.quotas.endpoint.rate = RateLimit(jobs: 60, per: .seconds(60), burst: 1) }) { gateway in
            #expect(try await gateway.submit().status == 202)
            let refused = try await gateway.submit()
            #expect(refused.status == 429 && refused.headers.first(name: "retry-after") == "1")
        }
    }

    @Test("An endpoint is paused, drained and opened, and says since when and why")
    func modes() async throws {
        try await withGateway { gateway in
            func set(_ action: String, _ body: String? = nil) async throws -> Harness.Answer {
                try await gateway.send(.POST, "/v1/endpoints/text/\(action)", ["content-type": "application/json"], body.map { Array($0.utf8) })
            }
            let paused = try await set("pause", #"{"reason":"wrong labels"}"#).json(EndpointResource.self)
            #expect(paused.mode == .paused && paused.modeReason == "wrong labels" && paused.modeSince != nil)
            let waiting = try await gateway.submit().json(JobResource.self)
            #expect(try await gateway.lease().isEmpty)
            #expect(try await gateway.send(.GET, "/v1/jobs/\(waiting.id)").json(JobResource.self).queue == .init(ahead: 0))
            #expect(try await set("drain").json(EndpointResource.self).mode == .draining)
            let refused = try await gateway.submit()
            #expect(refused.status == 503 && refused.problem?.code == "endpoint_draining" && refused.headers.first(name: "retry-after") == "30")
            #expect(try await gateway.lease().map(\.id) == [waiting.id])
            let open = try await set("resume", "{}").json(EndpointResource.self)
            #expect(open.mode == .open && open.modeSince == nil && open.running == 1)
            #expect(try await gateway.submit().status == 202)
            #expect(try await gateway.send(.POST, "/v1/endpoints/txt/pause").problem?.hint?.contains("\"text\"") == true)
            #expect(try await set("pause", #"{"reson":"x"}"#).problem?.hint?.contains("reason") == true)
            #expect(try await set("pause", #"{"reason":"\#(String(repeating: "x", count: 501))"}"#).status == 400)
            #expect(try await gateway.send(.GET, "/v1/endpoints/text/pause").status == 405)
        }
    }

    @Test("Jobs are counted, cancelled and sent round again by filter, within their tenant")
    func filters() async throws {
        try await withGateway { gateway in
            for index in 0..<5 { _ = try await gateway.submit(#"{"input":\#(index)}"#) }
            try await gateway.admitForeign()
            let start = gateway.surroundings.now() + .seconds(1)
            func count(_ query: String) async throws -> Int { try await gateway.send(.GET, "/v1/jobs/count\(query)").json(JobCount.self).count }
            #expect(try await count("") == 5)
            #expect(try await count("?state=queued&endpoint=text") == 5)
            #expect(try await count("?createdAfter=\(start)") == 0)
            #expect(try await count("?createdBefore=\(start)") == 5)
            for job in try await gateway.lease(jobsMax: 2) { try await gateway.fail(job, JobFailure(.invalidInput, "no")) }
            #expect(try await count("?code=invalid_input") == 2)
            #expect(try await gateway.send(.GET, "/v1/jobs?code=invalid_input").json(JobList.self).jobs.count == 2)
            #expect(try await gateway.change("cancel", #"{"endpoint":"text","state":"queued"}"#) == 3)
            #expect(try await gateway.change("redrive", #"{"code":"invalid_input"}"#) == 2)
            #expect(try await gateway.change("redrive", #"{"state":["cancelled"]}"#) == 3)
            #expect(try await gateway.change("cancel", #"{"all":true}"#) == 5)
            #expect(try await gateway.change("cancel", #"{"all":true}"#) == 0)
            let others = try await gateway.queue.count(matching: JobFilter(tenant: "other", states: [.queued]))
            #expect(others == 1)
        }
    }

    @Test("More than one step is changed in one request")
    func steps() async throws {
        try await withGateway { gateway in
            let now = gateway.surroundings.now()
            let jobs = (0..<1203).map { _ in
                NewJob(job: Job(id: gateway.surroundings.makeID(), tenant: "default", endpoint: "text", input: RawJSON(.integer(1)), createdAt: now))
            }
            _ = try await gateway.queue.admit(jobs)
            #expect(try await gateway.change("cancel", #"{"endpoint":"text"}"#) == 1203)
            #expect(try await gateway.change("redrive", #"{"state":"cancelled"}"#) == 1203)
        }
    }

    @Test(
        "An action on many jobs that does not say which, or names what it cannot change, is refused",
        arguments: [
            ("cancel", "", "all"), ("cancel", "{}", "all"), ("redrive", #"{"all":false}"#, "all"), ("cancel", #"{"state":"failed"}"#, "queued, running"),
            ("redrive", #"{"state":["running"]}"#, "failed, cancelled, expired"), ("cancel", #"{"sate":"queued"}"#, "did you mean \"state\"?"),
            ("cancel", #"{"createdAfter":"yesterday"}"#, "createdAfter"), ("cancel", #"{"state":["quued"]}"#, "did you mean \"queued\"?"),
        ])
    func badSelections(action: String, body: String, says: String) async throws {
        try await withGateway { gateway in
            _ = try await gateway.submit()
            let answer = try await gateway.send(.POST, "/v1/jobs/\(action)", ["content-type": "application/json"], Array(body.utf8))
            let problem = try #require(answer.problem)
            #expect(answer.status == 400 && "\(problem.detail) \(problem.hint ?? "")".contains(says), "\(problem)")
            #expect(try await gateway.queue.count(matching: JobFilter(states: [.queued])) == 1)
        }
    }

    @Test("Dead letters are listed with their errors, counted by code")
    func deadLetters() async throws {
        try await withGateway { gateway in
            for _ in 0..<3 { _ = try await gateway.submit() }
            let jobs = try await gateway.lease()
            try await gateway.fail(jobs[0], JobFailure(code: "handler_crashed", message: "died", retryable: false, stderrTail: "Killed"))
            try await gateway.fail(jobs[1], JobFailure(.invalidInput, "no"))
            try await gateway.succeed(jobs[2])
            let list = try await gateway.send(.GET, "/v1/dead-letters").json(DeadLetterList.self)
            #expect(list.codes == ["handler_crashed": 1, "invalid_input": 1] && list.jobs.count == 2)
            #expect(list.jobs.first { $0.id == jobs[0].id }?.error?.stderrTail == "Killed")
            let one = try await gateway.send(.GET, "/v1/dead-letters?code=invalid_input&limit=1").json(DeadLetterList.self)
            #expect(one.jobs.map(\.id) == [jobs[1].id] && one.jobs[0].attempt == 1)
            #expect(try await gateway.send(.GET, "/v1/dead-letters?state=queued").status == 400)
        }
    }

    @Test("A queued job says how many come before it; others do not")
    func position() async throws {
        try await withGateway { gateway in
            var ids: [JobID] = []
            for _ in 0..<3 { ids.append(try await gateway.submit().json(JobResource.self).id) }
            #expect(try await gateway.send(.GET, "/v1/jobs/\(ids[2])").json(JobResource.self).queue?.ahead == 2)
            for job in try await gateway.lease(jobsMax: 2) { try await gateway.succeed(job) }
            let next = try await gateway.send(.GET, "/v1/jobs/\(ids[2])").json(JobResource.self)
            #expect(next.queue?.ahead == 0 && next.queue?.aheadIsAtLeast == nil && next.queue?.estimatedStart != nil)
            #expect(try await gateway.send(.GET, "/v1/jobs/\(ids[0])").json(JobResource.self).queue == nil)
            #expect(try await gateway.send(.GET, "/v1/jobs").json(JobList.self).jobs.allSatisfy { $0.queue == nil })
        }
    }

    @Test("The history tells every change with attempt, worker and reason")
    func history() async throws {
        try await withGateway { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            let job = try await gateway.lease()[0]
            _ = try await gateway.queue.renew([
                LeaseRenewal(job: id, token: job.lease!.token, duration: .seconds(15), progress: JobProgress(done: 1), logs: [LogLine(level: .info, message: "x")])
            ])
            try await gateway.fail(job, JobFailure(.invalidInput, "no"))
            _ = try await gateway.send(.POST, "/v1/jobs/\(id)/retry")
            let history = try await gateway.send(.GET, "/v1/jobs/\(id)/history").json(JobHistory.self).history
            #expect(history.map(\.state) == [.queued, .running, .failed, .queued])
            #expect(history.map(\.reason) == ["submitted", "leased", "invalid_input", "retried by hand"])
            #expect(history[1].worker == job.lease?.worker && history[1].attempt == 1)
            #expect(try await gateway.send(.GET, "/v1/jobs/01900000-0000-7000-8000-000000000000/history").status == 404)
        }
    }

    private func configured(_ change: @escaping @Sendable (inout EndpointConfiguration) -> Void) -> (inout GatewayConfiguration) -> Void {
        { configuration in change(&configuration.endpoints[0]) }
    }
}

extension Harness {
    fileprivate func change(_ action: String, _ body: String) async throws -> Int {
        try await send(.POST, "/v1/jobs/\(action)", ["content-type": "application/json"], Array(body.utf8)).json(JobsChanged.self).changed
    }

    /// A job of another tenant.
    fileprivate func admitForeign() async throws {
        let job = Job(id: surroundings.makeID(), tenant: "other", endpoint: "pictures", input: RawJSON(.integer(1)), createdAt: surroundings.now())
        _ = try await queue.admit([NewJob(job: job)])
    }
}

private func withGateway(_ configure: @escaping (inout GatewayConfiguration) -> Void, _ body: @escaping @Sendable (Harness) async throws -> Void) async throws {
    try await withGateway(surroundings: .system, configure, body)
}
