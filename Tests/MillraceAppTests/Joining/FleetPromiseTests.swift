import MillraceCloud
import MillraceConformance
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import Testing

@testable import MillraceApp
@testable import MillraceGateway

@Suite("Fleets with joined machines", .timeLimit(.minutes(1)))
struct FleetPromiseTests {
    @Test("A fleet of one joined machine keeps the promises of a fleet", arguments: FleetConformance.cases)
    func joined(_ promise: FleetCase) async throws {
        try await promise.run { room, body in
            let machine = try await Machine(slots: room)
            try await body(FleetSubject(machine.fleet, advance: { try await machine.goOn() }, crash: { await machine.crash($0) }))
        }
    }

    @Test("Joined machines and this one together keep the promises of a fleet", arguments: FleetConformance.cases)
    func combined(_ promise: FleetCase) async throws {
        try await promise.run { room, body in
            let machine = try await Machine(slots: room - 1)
            let local = FakeCloudFleet(prefix: "local:", room: 1, surroundings: .system) { .zero }
            try await body(
                FleetSubject(
                    CombinedFleet(local: local, joined: machine.fleet, choices: [:]),
                    advance: {
                        local.advance()
                        try await machine.goOn()
                    },
                    crash: { instance in
                        local.crash(instance)
                        await machine.crash(instance)
                    }))
        }
    }
}

/// A joined machine whose workers start and stop at once.
private actor Machine {
    // Its time stands still: what takes the test long does not make the machine silent.
    let fleet = JoinedFleet(
        device: { _ in .auto }, drainLimit: { _ in .seconds(60) }, registry: InMemoryStore(.system), surroundings: ManualClock().surroundings)
    private let access = WorkerAccess(key: Surroundings.system.makeID())
    private var crew: Crew

    init(slots: Int) async throws {
        crew = Crew(machine: "m", run: "1", slots: .init(cpu: slots, gpus: []), endpoints: nil)
        try await goOn()
    }

    /// Reports, and does what it is told, until there is nothing left to do and to say.
    func goOn() async throws {
        while true {
            let report = crew.report(waitSeconds: 0)
            try await fleet.hear(report, from: access)
            crew.wasHeard(report)
            let actions = crew.follow(try await fleet.orders(after: report, atMost: .zero), at: Surroundings.system.now())
            for case .stop(let instance) in actions { crew.ended(instance, status: "exit 0", stderrTail: "", atRisk: []) }
            if actions.isEmpty { return }
        }
    }

    func crash(_ instance: InstanceID) { crew.ended(instance, status: "signal 9", stderrTail: "", atRisk: []) }
}
