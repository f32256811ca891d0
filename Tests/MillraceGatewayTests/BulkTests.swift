import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Testing

@testable import MillraceGateway

@Suite("Many jobs in one request")
struct BulkTests {
    struct Verdicts: Decodable {
        struct Verdict: Decodable {
            var id: JobID?
            var status: Int
            var replayed: Bool?
            var code: String?
            var detail: String?
            var hint: String?
        }
        var accepted: Int
        var refused: Int
        var jobs: [Verdict]
    }

    @Test("Lines and a list are taken in alike, with inputs as they were written and everything else that a job may have")
    func forms() async throws {
        try await withGateway { gateway in
            let jobs = [#"{"input": {"b": 1.50, "a": "\/"}}"#, #"{"input":2,"priority":9,"parameters":null,"callback":null}"#]
            let lines = try await bulk(gateway, "\n" + jobs.joined(separator: "\r\n \n") + "\n").json(Verdicts.self)
            let list = try await bulk(gateway, #"{"jobs":[\#(jobs.joined(separator: ","))]}"#, "application/json").json(Verdicts.self)
            for verdicts in [lines, list] {
                #expect(verdicts.accepted == 2 && verdicts.refused == 0 && verdicts.jobs.map(\.status) == [202, 202])
            }
            let leased = try await gateway.lease()
            #expect(leased.map(\.priority) == [9, 9, 5, 5])
            #expect(leased.map { $0.input?.text } == ["2", "2", #"{"b": 1.50, "a": "\/"}"#, #"{"b": 1.50, "a": "\/"}"#])
        }
    }

    @Test(
        "What one job has wrong is its own fault, told with its field",
        arguments: [
            (#"{"input":1,"prioritty":3}"#, 400, "did you mean \"priority\"?"), (#"{"input":1,"idempotencyKeys":"k"}"#, 400, "did you mean \"idempotencyKey\"?"),
            (#"{"input":1,"priority":"high"}"#, 400, "the field \"priority\" must be an integer"), (#"{"input":1,"idempotencyKey":7}"#, 400, "the field \"idempotencyKey\""),
            (#"{"input":1"#, 400, "not valid JSON"), ("[]", 400, "object"), ("7", 400, "object"), (#"{"input":null}"#, 422, "no input"), ("{}", 422, "no input"),
            (#"{"input":1,"uploads":["01900000-0000-7000-8000-000000000000"]}"#, 404, "no upload"), (#"{"input":1,"priority":10}"#, 422, "priority"),
            (#"{"input":1,"idempotencyKey":""}"#, 400, "1 to 255"), (#"{"input":\#(String(repeating: "[", count: 70))"#, 400, "nested"),
            (#"{"\#(String(repeating: "x", count: 100_000))":1}"#, 400, "known fields"),
        ])
    func faults(job: String, status: Int, says: String) async throws {
        try await withGateway { gateway in
            let verdicts = try await bulk(gateway, #"{"input":1}"# + "\n\(job)\n" + #"{"input":2}"#).json(Verdicts.self)
            #expect(verdicts.accepted == 2 && verdicts.jobs.map(\.status) == [202, status, 202])
            let verdict = try #require(verdicts.jobs.dropFirst().first)
            #expect("\(verdict.detail ?? "") \(verdict.hint ?? "")".contains(says), "\(verdict.detail?.prefix(200) ?? "")")
            #expect(try await gateway.lease().count == 2)
        }
    }

    @Test("A job with a key is taken in once; another with the same key is refused")
    func keys() async throws {
        try await withGateway { gateway in
            let keyed = #"{"input":1,"idempotencyKey":"k"}"#
            let first = try await bulk(gateway, "\(keyed)\n\(keyed)").json(Verdicts.self)
            #expect(first.jobs.map(\.replayed) == [nil, true] && first.jobs[0].id == first.jobs[1].id)
            let other = try await bulk(gateway, #"{"input":2,"idempotencyKey":"k"}"#).json(Verdicts.self)
            #expect(other.jobs.map(\.code) == [ErrorCode.idempotencyConflict.rawValue])
            // The same key, when the job comes alone.
            let alone = try await gateway.submit(#"{"input":1}"#, ["idempotency-key": "k"])
            #expect(try alone.json(JobResource.self).id == first.jobs[0].id)
        }
    }

    @Test("A large input is refused by itself, and too many jobs before any of them is looked into")
    func limits() async throws {
        try await withGateway { gateway in
            let large = #"{"input":"\#(String(repeating: "x", count: 1 << 20))"}"#
            let verdicts = try await bulk(gateway, large + "\n" + #"{"input":1}"#).json(Verdicts.self)
            #expect(verdicts.jobs.map(\.status) == [413, 202])
            let many = try await bulk(gateway, String(repeating: "1\n", count: BulkRoutes.jobsMax + 1))
            #expect(many.status == 413 && many.problem?.detail.contains("10001 jobs") == true)
            let none = try await bulk(gateway, " \n\n")
            #expect(none.status == 422)
        }
    }

    private func bulk(_ gateway: Harness, _ body: String, _ type: String = "application/x-ndjson") async throws -> Harness.Answer {
        try await gateway.send(.POST, "/v1/endpoints/text/jobs/bulk", ["content-type": type], Array(body.utf8))
    }
}
