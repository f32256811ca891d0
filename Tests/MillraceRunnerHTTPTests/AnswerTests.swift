import Foundation
import MillraceCore
import MillraceInference
import Testing

@testable import MillraceRunnerHTTP

@Suite("A model server's answer", .timeLimit(.minutes(1)))
struct AnswerTests {
    private func loaded(_ fixture: ServerFixture) async throws -> ServerFixture {
        try await fixture.runner.load()
        return fixture
    }

    @Test("is the outcome of its item, in the batch's order, with parameters and job in headers")
    func json() async throws {
        let fixture = try await loaded(ServerFixture())
        let outcomes = try await fixture.run("a", ["b": 1], 3)
        #expect(outcomes.map(\.json) == [["echo": "a"], ["echo": ["b": 1]], ["echo": 3]])
        let headers = try await fixture.run([fixture.item(7, "headers", parameters: ["name": "Zoë 🙂", "k": 1])])[0].json
        #expect(headers?["content-type"] == "application/json")
        #expect(headers?["x-millrace-attempt"] == "2")
        #expect(headers?["x-millrace-job"] == .string("\(JobID(high: 1, low: 7))"))
        let attributes = try #require(headers?["x-amzn-sagemaker-custom-attributes"]?.stringValue)
        #expect(attributes.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(RawJSON(trusting: attributes).value == ["name": "Zoë 🙂", "k": 1])
        await fixture.runner.close()
    }

    @Test("to a file comes from the file's bytes and type, and what is not JSON becomes a file")
    func files() async throws {
        let fixture = try await loaded(ServerFixture())
        let text = String(repeating: "räksmörgås\n", count: 50_000)
        let outcome = try await fixture.run([fixture.item(1, nil, files: [fixture.file(text, "text/csv")])])[0]
        let file = try #require(outcome.file)
        #expect(file.name == "result.csv" && file.mediaType == "text/csv")
        #expect(try String(contentsOfFile: file.path, encoding: .utf8) == text)
        let short = try #require(try await fixture.run([fixture.item(2, nil, files: [fixture.file("x", "image/png")])])[0].file)
        #expect(short.name == "result.png")
        #expect(try Data(contentsOf: URL(filePath: short.path)) == Data("x".utf8))
        let nothing = try await fixture.run([fixture.item(3, nil)])[0]
        #expect(nothing.json == .null)
        await fixture.runner.close()
    }

    @Test("of JSON that is long, or none after all, is kept as it came")
    func longJSON() async throws {
        let fixture = try await loaded(ServerFixture())
        for size in [5, 100_000] {
            let file = try #require(try await fixture.run(["body", "application/json", .integer(Int64(size))])[0].file)
            #expect(file.name == "result.json")
            #expect(try Data(contentsOf: URL(filePath: file.path)).count == size)
        }
        await fixture.runner.close()
    }

    @Test("has a limit")
    func tooLarge() async throws {
        let fixture = try await loaded(ServerFixture { $0.answerBytesMax = 200_000 })
        let outcomes = try await fixture.run(["body", "text/plain", 200_001], ["body", "text/plain", 200_000])
        #expect(outcomes[0].failure?.code == "too_large" && outcomes[0].failure?.retryable == false)
        #expect(outcomes[1].file?.name == "result.txt")
        await fixture.runner.close()
    }

    @Test(
        "that is an error fails its item alone, and is tried again where that can help",
        arguments: [
            (400, "invalid_input", false), (422, "invalid_input", false), (404, "handler_error", false), (302, "handler_error", false),
            (429, "unavailable", true), (503, "unavailable", true), (500, "handler_error", true),
        ])
    func statuses(status: Int, code: String, retryable: Bool) async throws {
        let fixture = try await loaded(ServerFixture())
        let order: JSONValue = ["status", .integer(Int64(status)), #"{"error": {"message": "no  such\ncolumn"}}"#, ["Retry-After", "7"], ["Location", "/ping"]]
        let outcomes = try await fixture.run(order, "neighbour")
        let failure = try #require(outcomes[0].failure)
        #expect(failure.code == code && failure.retryable == retryable)
        #expect(failure.message == "the model server answered with \(status): no such column")
        #expect(failure.retryAfter == (retryable ? .seconds(7) : nil))
        #expect(outcomes[1].json == ["echo": "neighbour"])
        await fixture.runner.close()
    }

    @Test("cannot be had for more than one body, or for parameters longer than a header")
    func refused() async throws {
        let fixture = try await loaded(ServerFixture())
        let files = try [fixture.file("a", "text/plain"), fixture.file("b", "text/plain")]
        let outcomes = try await fixture.run([
            fixture.item(1, nil, files: files), fixture.item(2, "x", files: [files[0]]),
            fixture.item(3, "x", parameters: ["long": .string(String(repeating: "ö", count: 200))]),
        ])
        #expect(outcomes.map { $0.failure?.code } == ["invalid_input", "invalid_input", "invalid_parameter"])
        await fixture.runner.close()
    }

    @Test("of the Open Inference Protocol is passed on as it came, and so is the request")
    func openInference() async throws {
        let fixture = try await loaded(ServerFixture(speaking: .openInference(model: "iris", version: "3")))
        let request: JSONValue = ["id": "1", "inputs": [["name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]]]]
        let outcomes = try await fixture.run([
            fixture.item(1, request), fixture.item(2, ["input": 1]), fixture.item(3, nil),
            fixture.item(4, nil, files: [fixture.file("x", "image/png")]),
        ])
        #expect(outcomes[0].json == ["path": "/v2/models/iris/versions/3/infer", "request": request])
        #expect(outcomes[1].failure?.message == "the model server answered with 400: no inputs")
        #expect(outcomes[2].failure?.code == "missing_input" && outcomes[3].failure?.code == "unsupported_media_type")
        await fixture.runner.close()
    }

    @Test("asks to wait by seconds or by a date")
    func retryAfter() {
        let now = Timestamp(milliseconds: 1_764_000_000_000)  // Mon, 24 Nov 2025 16:00:00 GMT
        #expect(ServerRefusal.wait("120", at: now) == .seconds(120))
        #expect(ServerRefusal.wait("Mon, 24 Nov 2025 16:00:30 GMT", at: now) == .seconds(30))
        #expect(ServerRefusal.wait("Mon, 24 Nov 2025 15:00:00 GMT", at: now) == .zero)
        #expect(ServerRefusal.wait("99999999999999", at: now) == RetryPolicy.retryAfterMax)
        #expect(ServerRefusal.wait("soon", at: now) == nil)
    }

    @Test("is asked for at a path in which a model's name is one part")
    func paths() {
        #expect(ServerDialect.openInference(model: "a/b ü", version: nil).workPath == "/v2/models/a%2Fb%20%C3%BC/infer")
    }
}
