import MillraceCore
import MillraceInference
import MillraceTestSupport
import Testing

@Suite struct EchoRunnerTests {
    private let clock = ManualClock()

    @Test func `gives the input back, whatever it is`() async throws {
        let inputs: [JSONValue?] = [["a": [1, 2.5, "x", nil]], "text", 7, .null, nil]
        let outcomes = try await run(inputs.enumerated().map { item(Int64($0), input: $1) })
        #expect(outcomes.map(\.json) == inputs.map { $0 ?? .null })
    }

    @Test func `lists files by name, type and size`() async throws {
        let files = [
            HandlerRequest.File(name: "a", filename: "scan.pdf", path: "/x", mediaType: "application/pdf", bytes: 12),
            HandlerRequest.File(name: "b", filename: nil, path: "/y", mediaType: "image/png", bytes: 3),
        ]
        let outcome = try await run([item(1, files: files)])[0]
        #expect(outcome.json == [
            ["name": "scan.pdf", "mediaType": "application/pdf", "bytes": 12], ["name": "b", "mediaType": "image/png", "bytes": 3],
        ])
    }

    @Test func `the first attempts fail as asked, and can be tried again`() async throws {
        for attempt in 1...3 {
            let outcome = try await run([item(1, input: 1, attempt: attempt, parameters: ["failures": 2])])[0]
            switch outcome {
            case .failed(let failure): #expect(attempt <= 2 && failure.retryable && failure.code == "handler_error")
            default: #expect(attempt == 3 && outcome.json == 1)
            }
        }
    }

    @Test func `a stamped result says when the runner got the job`() async throws {
        let outcome = try await run([item(1, input: "x", parameters: ["stamp": true])])[0]
        #expect(outcome.json == ["input": "x", "startedAtNanoseconds": 42])
    }

    @Test func `a job takes its time, beside the others of its batch`() async throws {
        let runner = makeRunner()
        async let outcomes = runner.run([2, 1, 0].map { item($0, input: .integer($0), parameters: ["seconds": .integer($0)]) }, observer: Silent())
        try await clock.waitForSleepers(2)
        clock.advance(by: .seconds(2))
        #expect(try await outcomes.map(\.json) == [2, 1, 0])
    }

    @Test(arguments: [true, false]) func `a stop ends one item and leaves the others`(early: Bool) async throws {
        let runner = makeRunner()
        if early { await runner.cancel(1, reason: .cancelled) }
        async let outcomes = runner.run([1, 2].map { item($0, input: .integer($0), parameters: ["seconds": 1000]) }, observer: Silent())
        try await clock.waitForSleepers(early ? 1 : 2)
        if !early { await runner.cancel(1, reason: .cancelled) }
        while clock.sleepers > 1 { await Task.yield() }
        clock.advance(by: .seconds(1000))
        let ended = try await outcomes
        guard case .cancelled = ended[0] else {
            Issue.record("expected a cancelled item, not \(ended[0])")
            return
        }
        #expect(ended[1].json == 2)
    }

    private func makeRunner() -> EchoRunner { EchoRunner(surroundings: clock.surroundings, clock: { 42 }) }

    private func run(_ batch: [InferenceItem]) async throws -> [ItemOutcome] {
        try await makeRunner().run(batch, observer: Silent())
    }

    private func item(
        _ id: ItemID, input: JSONValue? = nil, files: [HandlerRequest.File] = [], attempt: Int = 1, parameters: [String: JSONValue] = [:]
    ) -> InferenceItem {
        let request = HandlerRequest(
            job: JobID(high: 1, low: UInt64(id)), endpoint: "echo", attempt: attempt, parameters: parameters, input: input, files: files,
            workdir: "", checkpoint: nil)
        return InferenceItem(id: id, payload: .request(request))
    }
}

extension ItemOutcome {
    fileprivate var json: JSONValue? { if case .reply(let reply) = self { reply.json } else { nil } }
}

private struct Silent: ItemObserver {
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}
