import Foundation
import MillraceCore
import MillraceFakeServer
import MillraceWire
import Testing

@testable import MillraceCommands

@Suite("The simulate command", .timeLimit(.minutes(1)))
struct SimulateCommandTests {
    @Test("reads all pages of a server's jobs")
    func serverHistory() async throws {
        let pages = [
            (SampleJob.createdAt + .seconds(600), "c1" as String?), (SampleJob.createdAt + .seconds(60), "c2"), (SampleJob.createdAt, nil),
        ].map { at, cursor in
            var job = SampleJob.resource(.succeeded)
            (job.createdAt, job.startedAt, job.finishedAt) = (at, at + .seconds(1), at + .seconds(4))
            return JobList(jobs: [job], nextCursor: cursor)
        }
        let outcome = try await FakeServer.with({ request in
            if request.path.contains("/count") { return .json(#"{"count":3}"#) }
            let index = request.path.contains("cursor=c1") ? 1 : request.path.contains("cursor=c2") ? 2 : 0
            return .json((try? MillraceJSON.string(pages[index])) ?? "")
        }) { await CommandFixture().run(["simulate", "--from-history", "server", "--policy", "always=1", "--boot", "1s", "--json", "--brief"], server: $0) }
        #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.text)")
        let answer = try MillraceJSON.decode(JSONValue.self, from: outcome.output)
        #expect(outcome.output.contains("\"subject\" : \"what the server saw"), "\(answer)")
        #expect(outcome.output.contains("\"finished\" : 3") && outcome.output.contains("\"p50\" : 3"), "\(outcome.text)")
    }

    @Test(
        "says what is wrong with its options",
        arguments: [
            (["--target", ""], "--target has an empty value"), (["--target", "10s,"], "--target has an empty value"), (["--preset", ""], "--preset has an empty value"),
            (["--preset", "kda"], "--preset knows step, sagemaker, keda, always-on"), (["--seed", "18446744073709551615"], "--seed is at most 9223372036854775807"),
            (["--from-settings", "millrace.yaml"], "--from-settings needs --endpoint"), (["--min", "21"], "--min (21) is more than --max (20)"),
            (["--from-settings", "millrace.yaml", "--endpoint", "ocr", "--min", "2"], "--min (2) is more than --max (1)"),
        ])
    func options(arguments: [String], words: String) async {
        let outcome = await CommandFixture().run(["simulate"] + arguments)
        #expect(outcome.status == 2 && outcome.error.contains(words), "\(outcome.text)")
    }

    @Test(
        "takes what was measured of a batch of one for the mean job, whatever durations or tokens say",
        arguments: [
            ("duration_s", ["0.1", "0.1"], ["--batch-times", "1=100ms,8=300ms"], 0.1),
            ("output_size", ["50", "150"], ["--base", "200ms", "--per-output", "15ms", "--batch-times", "1=1700ms,8=3s"], 1.7),
        ])
    func measuredBatches(column: String, values: [String], options: [String], mean: Double) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "millrace-trace-\(UUID().uuidString).csv")
        defer { try? FileManager.default.removeItem(at: file) }
        let rows = values.enumerated().map { "\($0.offset * 100),\($0.element)\n" }
        try Data(("arrival_s,\(column)\n" + rows.joined()).utf8).write(to: file)
        let outcome = await CommandFixture().run(
            ["simulate", "--trace", file.path, "--policy", "always=1", "--boot", "0", "--batch", "8", "--json", "--brief"] + options)
        struct Answer: Decodable {
            struct Policy: Decodable { var workedHours: Double }
            var policies: [Policy]
        }
        let worked = try MillraceJSON.decode(Answer.self, from: outcome.output).policies[0].workedHours * 3600
        #expect(abs(worked - mean * Double(values.count)) < 1e-6, "\(outcome.text)")
    }

    @Test("simulates what is configured, other policies within the same, and presets within its limits")
    func settings() async throws {
        var fixture = CommandFixture()
        (fixture.scaling.max, fixture.scaling.price, fixture.scaling.idle) = (3, 2.5, .seconds(3600))
        fixture.scaling.schedule = [.init(from: 0, until: 1440, min: 2)]
        let outcome = await fixture.run(
            "simulate", "--from-settings", "millrace.yaml", "--endpoint", "ocr", "--workload", "steady", "--per-hour", "1", "--duration", "10h",
            "--policy", "backlogPerWorker=5", "--preset", "keda", "--starts-at", "2026-11-23T08:00:00Z", "--json", "--brief")
        struct Answer: Decodable {
            struct Policy: Decodable {
                var policy: String
                var workerHours: Double
                var cost: Double
            }
            var startsAt: Timestamp
            var policies: [Policy]
        }
        let answer = try MillraceJSON.decode(Answer.self, from: outcome.output)
        #expect(answer.startsAt == Timestamp("2026-11-23T08:00:00Z"))
        #expect(answer.policies.map(\.policy) == ["configured: targetWait 10 s", "backlogPerWorker 5", "keda"])
        #expect(answer.policies[0].workerHours > 15 && answer.policies[1].workerHours > 15 && answer.policies[2].workerHours < 3, "\(outcome.text)")
        #expect(answer.policies.allSatisfy { abs($0.cost - $0.workerHours * 2.5) < 1e-6 })
    }

    @Test("holds presets to the minimum, too")
    func minimum() async throws {
        let line = ["simulate", "--workload", "steady", "--per-hour", "1", "--duration", "10h", "--max", "3", "--preset", "keda,step", "--json", "--brief"]
        func hours(_ more: String...) async throws -> [Double] {
            let outcome = await CommandFixture().run(line + more)
            let answer = try MillraceJSON.decode(JSONValue.self, from: outcome.output)
            guard case .object(let fields) = answer, case .array(let policies)? = fields["policies"] else { return [] }
            return policies.compactMap { policy in
                guard case .object(let fields) = policy, case .number(let hours)? = fields["workerHours"] else { return nil }
                return hours
            }
        }
        #expect(try await hours().allSatisfy { $0 < 3 })
        let kept = try await hours("--min", "2")
        #expect(kept.count == 2 && kept.allSatisfy { $0 > 15 })
    }
}
