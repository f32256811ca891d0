import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Synchronization
import Testing

@testable import MillraceGateway

@Suite("Scaling, as the API shows it")
struct ScalingTests {
    private func keep(_ gateway: Harness, _ change: (inout ScalingEntry) -> Void) async throws {
        var entry = ScalingEntry(status: FleetStatus(endpoint: "text", variant: "a", at: gateway.surroundings.now()))
        change(&entry)
        try await gateway.store.keep(entry)
    }

    @Test("Every fleet is shown, also one that no controller has looked at; its cause is the endpoint's problem")
    func fleets() async throws {
        try await withGateway { gateway in
            try await keep(gateway) { entry in
                (entry.status.state, entry.status.cause, entry.status.wanted) = (.outOfCapacity, "all 4 slots are taken", 2)
                var usage = WorkerUsage(day: Day(of: gateway.surroundings.now()), endpoint: "text", variant: "a")
                (usage.usedSeconds, usage.busySeconds, usage.alwaysOnSeconds, usage.jobs, usage.runSeconds) = (7200, 3600, 14_400, 4, 5400)
                entry.usage = [usage]
            }
            let list = try await gateway.send(.GET, "/v1/scaling").json(FleetList.self)
            #expect(list.fleets.map(\.status.endpoint) == ["pictures", "text"] && list.currency == "USD")
            #expect(list.fleets[0].status.state == .asleep && list.fleets[1].status.cause == "all 4 slots are taken")
            #expect(list.fleets[1].gpuHoursToday == 2 && list.fleets[1].idleGPUHoursToday == 1 && list.fleets[1].policy == "targetWait 10s")
            #expect(try await gateway.send(.GET, "/v1/endpoints/text").json(EndpointResource.self).problem == "all 4 slots are taken")
            let report = try await gateway.send(.GET, "/v1/scaling/cost?endpoint=text").json(CostReport.self)
            #expect(report.total.gpuHoursSaved == 2 && report.total.jobs == 4 && report.lines.count == 1)
            let metrics = try await gateway.send(.GET, "/metrics").text
            #expect(metrics.contains(#"millrace_fleet_state{endpoint="text",state="outOfCapacity",variant="a"} 1"#), "\(metrics)")
            #expect(metrics.contains(#"millrace_worker_seconds_today{endpoint="text",state="idle",variant="a"} 3600"#))
        }
    }

    @Test("Decisions come in pages, the latest first, of one endpoint if asked")
    func decisions() async throws {
        try await withGateway { gateway in
            try await keep(gateway) { entry in
                entry.decisions = (1...3).map {
                    ScalingRecord(at: gateway.surroundings.now(), endpoint: "text", variant: "a", kind: .up, from: 0, to: $0, reason: "\($0) wait")
                }
            }
            let first = try await gateway.send(.GET, "/v1/scaling/decisions?limit=2").json(ScalingRecordList.self)
            #expect(first.decisions.map(\.to) == [3, 2])
            let cursor = try #require(first.nextCursor)
            let second = try await gateway.send(.GET, "/v1/scaling/decisions?limit=2&cursor=\(cursor)&endpoint=text").json(ScalingRecordList.self)
            #expect(second.decisions.map(\.reason) == ["1 wait"] && second.nextCursor == nil)
            #expect(try await gateway.send(.GET, "/v1/scaling/decisions?endpoint=pictures").json(ScalingRecordList.self).decisions.isEmpty)
            #expect(try await gateway.send(.GET, "/v1/scaling/decisions?endpoint=nobody").problem?.code == "endpoint_unknown")
            #expect(try await gateway.send(.GET, "/v1/scaling/decisions?cursor=x").status == 400)
            #expect(try await gateway.send(.GET, "/v1/scaling/cost?from=2026-13-01").status == 400)
            #expect(try await gateway.send(.GET, "/v1/scaling/cost?from=2026-02-01&to=2026-01-01").status == 400)
        }
    }

    @Test("The last decision has the number under which it is kept, and what is kept of an endpoint that is gone is shown")
    func kept() async throws {
        try await withGateway { gateway in
            let at = gateway.surroundings.now()
            for (endpoint, to) in [("text", 1), ("gone", 2), ("text", 3)] {
                var entry = ScalingEntry(status: FleetStatus(endpoint: endpoint, variant: "a", at: at))
                entry.decisions = [ScalingRecord(at: at, endpoint: endpoint, variant: "a", kind: .up, from: 0, to: to, reason: "\(to) wait")]
                entry.status.lastDecision = entry.decisions[0]
                try await gateway.store.keep(entry)
            }
            let fleets = try await gateway.send(.GET, "/v1/scaling").json(FleetList.self).fleets
            #expect(fleets.last?.status.lastDecision?.sequence == 3)
            #expect(try await gateway.send(.GET, "/v1/scaling/decisions?endpoint=gone").json(ScalingRecordList.self).decisions.map(\.to) == [2])
            #expect(try await gateway.send(.GET, "/v1/scaling/cost?endpoint=gone").status == 200)
        }
    }

    @Test("Jobs that nobody put a price on have no cost, and do not make the others cheaper")
    func prices() {
        var (dear, free) = (WorkerUsage(day: Day(number: 1), endpoint: "text", variant: "a"), WorkerUsage(day: Day(number: 1), endpoint: "pictures", variant: "a"))
        (dear.usedSeconds, dear.jobs, dear.cost) = (3600, 4, 2)
        (free.usedSeconds, free.jobs) = (3600, 4)
        let report = CostReport(currency: "USD", from: dear.day, to: dear.day, usage: [dear, free])
        #expect(report.lines.map(\.cost) == [2, nil] && report.lines.map(\.costPerJob) == [0.5, nil])
        #expect(report.total.cost == 2 && report.total.costPerJob == 0.5 && report.total.jobs == 8)
    }

    @Test("A machine that joins, comes back or offers other slots is said to make room, and its next report is not")
    func room() async throws {
        let calls = Mutex(0)
        let fleet = JoinedFleet(device: { _ in .auto }, drainLimit: { _ in .seconds(60) }, registry: InMemoryStore(.system), surroundings: .system)
        fleet.onRoom { calls.withLock { $0 += 1 } }
        let access = WorkerAccess(key: Surroundings.system.makeID())
        for (cpu, isDraining, expected) in [(1, false, 1), (1, false, 1), (2, false, 2), (2, true, 2)] {
            let report = MachineReport(
                machine: "m", run: "r", slots: .init(cpu: cpu, gpus: []), endpoints: nil, isDraining: isDraining, workers: [], ended: [], waitSeconds: 0)
            try await fleet.hear(report, from: access)
            #expect(calls.withLock { $0 } == expected)
        }
    }

    @Test("A job that waited for its worker to start shows the phases; one that came later does not")
    func coldStart() async throws {
        try await withGateway { gateway in
            let early = try await gateway.submit().json(JobResource.self)
            let worker: WorkerID = gateway.surroundings.makeID()
            _ = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker, endpoint: "text"))
            // The clock counts milliseconds, and a worker that was ready when the job came kept nobody waiting.
            try await eventually { gateway.surroundings.now() > early.createdAt }
            let now = gateway.surroundings.now()
            let marks = ColdStart.Marks(
                startedAt: now - .milliseconds(5060), registeredAt: now - .milliseconds(5020), fetchedAt: now - .milliseconds(5020),
                loadedAt: now - .seconds(1), readyAt: now)
            _ = try await gateway.tell("/v1/worker/heartbeat", HeartbeatRequest(worker: worker, readyAt: marks.readyAt, start: marks, items: []))
            _ = try await gateway.tell("/v1/worker/lease", LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 0, held: []))
            let shown = try await gateway.send(.GET, "/v1/jobs/\(early.id)").json(JobResource.self)
            #expect(shown.coldStart?.modelLoadSeconds == marks.loadedAt.since(marks.fetchedAt).seconds)
            #expect(shown.coldStart?.warmUpSeconds == marks.readyAt.since(marks.loadedAt).seconds && shown.coldStart?.worker == worker)
            let starts = try await gateway.send(.GET, "/v1/scaling/starts?endpoint=text").json(ColdStartList.self).starts
            #expect(starts.count == 1 && starts[0].processSeconds == 0.04)
        }
    }

    @Test("A worker's clock is not taken for the gateway's: it learns the time, and nothing that it says lies ahead")
    func clocks() async throws {
        try await withGateway { gateway in
            let (worker, now): (WorkerID, Timestamp) = (gateway.surroundings.makeID(), gateway.surroundings.now())
            let ahead: Duration = .seconds(3600)
            var request = RegisterRequest.fixture(worker, endpoint: "text")
            (request.startedAt, request.sentAt) = (now + ahead - .seconds(5), now + ahead)
            let welcome = try await gateway.tell("/v1/worker/register", request).json(RegisterResponse.self)
            #expect(try #require(welcome.now) >= now && welcome.now! <= gateway.surroundings.now())
            let registered = try #require(try await gateway.queue.workers().first)
            #expect((0...60_000).contains(registered.startedAt.since(now - .seconds(5)).milliseconds))
            // One of an age that does not ask for the time.
            let marks = ColdStart.Marks(
                startedAt: now - .seconds(4), registeredAt: now - .seconds(3), fetchedAt: now - .seconds(2), loadedAt: now + ahead, readyAt: now + ahead)
            _ = try await gateway.tell("/v1/worker/heartbeat", HeartbeatRequest(worker: worker, readyAt: marks.readyAt, start: marks, items: []))
            let readyAt = try #require(try await gateway.queue.workers().first?.readyAt)
            #expect(readyAt >= now && readyAt <= gateway.surroundings.now())
            let start = try #require(try await gateway.queue.coldStarts(of: "text", limit: 1).first?.marks)
            #expect(start.readyAt == readyAt && start.loadedAt == readyAt && start.fetchedAt == marks.fetchedAt)
        }
    }
}
