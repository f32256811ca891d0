import MillraceCore
import MillraceFakeServer
import MillraceWire
import Testing

@testable import MillraceCommands

@Suite("The scaling command", .timeLimit(.minutes(1)))
struct ScalingCommandTests {
    private func scaling(_ answer: some Encodable, _ arguments: String...) async throws -> CommandFixture.Outcome {
        let text = try MillraceJSON.string(answer)
        return try await FakeServer.with({ _ in .json(text) }) { await CommandFixture().run(["scaling"] + arguments, server: $0) }
    }

    @Test("shows each fleet in a line, and says why one does not move")
    func show() async throws {
        var status = FleetStatus(endpoint: "ocr", variant: "a", at: SampleJob.createdAt)
        (status.state, status.cause, status.wanted, status.nextStartAt) = (.backingOff, "its last worker could not start (exit 3)", 2, SampleJob.createdAt + .seconds(24))
        status.budget = BudgetUse(gpuHoursToday: 1.5, gpuHoursPerDayMax: 40)
        status.lastDecision = ScalingRecord(at: SampleJob.createdAt, endpoint: "ocr", variant: "a", kind: .up, from: 0, to: 2, reason: "2 workers: 9 jobs waiting")
        let list = FleetList(
            currency: "EUR",
            fleets: [.init(status: status, min: 0, max: 4, policy: "targetWait 10s", price: 1.2, costToday: 1.8, gpuHoursToday: 1.5, idleGPUHoursToday: 0.5)])
        let outcome = try await scaling(list)
        #expect(outcome.status == 0)
        #expect(
            outcome.output == """
                ENDPOINT  STATE        WANTED  HAVE  BUSY  STARTING  DRAINING  LIMITS  POLICY          GPU-H TODAY  COST TODAY
                ocr       backing off       2     0     0         0         0     0-4  targetWait 10s    1.5 of 40     1.8 EUR

                """, "\(outcome.text)")
        #expect(
            outcome.error == """
                ocr: backing off (20 s ago): its last worker could not start (exit 3); the next start is tried in 4 s
                ocr: last decision 20 s ago: 0 to 2: 2 workers: 9 jobs waiting

                """, "\(outcome.text)")
    }

    @Test("shows what was used and saved, and what a job costs")
    func cost() async throws {
        var usage = WorkerUsage(day: Day(of: SampleJob.createdAt), endpoint: "ocr", variant: "a")
        (usage.usedSeconds, usage.busySeconds, usage.alwaysOnSeconds, usage.jobs, usage.cost) = (9000, 3600, 86_400, 40, 3)
        let report = CostReport(currency: "EUR", from: usage.day, to: usage.day, usage: [usage])
        let outcome = try await scaling(report, "cost", "--from", usage.day.description)
        let rows = outcome.output.split(separator: "\n")
        #expect(rows.count == 3 && rows[2].hasPrefix("total"), "\(outcome.text)")
        #expect(rows[1].split(separator: " ").map(String.init) == [usage.day.description, "ocr", "2.5", "1", "1.5", "21.5", "40", "3", "EUR", "0.075"], "\(outcome.text)")
    }

    @Test("tells the phases of a cold start of a job")
    func coldStart() {
        var start = ColdStart(instance: "local:1", endpoint: "ocr", variant: "a", wantedAt: SampleJob.createdAt)
        start.marks = .init(
            startedAt: SampleJob.createdAt + .milliseconds(30), registeredAt: SampleJob.createdAt + .milliseconds(90),
            fetchedAt: SampleJob.createdAt + .milliseconds(90), loadedAt: SampleJob.createdAt + .seconds(60), readyAt: SampleJob.createdAt + .seconds(63))
        var resource = ColdStartResource(start)
        resource.waitedSeconds = 62.5
        #expect(ScalingText.coldStart(resource) == "waited 1:03, took 1:03: provisioning 0.03 s, process 0.06 s, model load 1:00, warm-up 3 s")
    }
}
