import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import Testing

@testable import MillraceGateway

@Suite("The fleet of joined machines", .timeLimit(.minutes(1)))
struct JoinedFleetTests {
    private let clock = ManualClock()
    private let store: InMemoryStore
    private let fleet: JoinedFleet
    private let access = WorkerAccess(key: Surroundings.system.makeID())

    init() {
        store = InMemoryStore(clock.surroundings)
        fleet = JoinedFleet(device: { _ in .auto }, drainLimit: { _ in .seconds(60) }, registry: store, surroundings: clock.surroundings)
    }

    private func report(_ workers: [InstanceID] = [], isDraining: Bool = false, run: String = "1") -> MachineReport {
        MachineReport(
            machine: "m", run: run, slots: .init(cpu: 2, gpus: []), endpoints: nil, isDraining: isDraining,
            workers: workers.map { .init(instance: $0, gpu: nil, isStopping: false) }, ended: [], waitSeconds: 10)
    }

    /// - Returns: the instances that the machine is told to run.
    private func tell(_ report: MachineReport) async throws -> [InstanceID] {
        try await fleet.hear(report, from: access)
        return try await fleet.orders(after: report, atMost: .seconds(10)).workers.map(\.instance)
    }

    @Test("An agent that does not do what it was told hears it again once a second, and what is new at once")
    func pause() async throws {
        try await fleet.hear(report(), from: access)
        try await fleet.reconcile(FleetTarget(endpoint: "ocr", variant: "a", desired: 1))
        let first = try await tell(report())
        #expect(first.count == 1)
        async let again = tell(report())
        try await clock.waitForSleepers(1)
        clock.advance(by: .milliseconds(999))
        #expect(clock.sleepers == 1)
        clock.advance(by: .milliseconds(1))
        #expect(try await again == first)
        async let more = tell(report())
        try await clock.waitForSleepers(1)
        try await fleet.reconcile(FleetTarget(endpoint: "ocr", variant: "a", desired: 2))
        #expect(try await more.count == 2, "without any time that passes")
    }

    @Test("A worker that drains because its machine stops, or its agent was started anew, is told of once with the reason", arguments: [true, false])
    func departures(stops: Bool) async throws {
        try await fleet.hear(report(), from: access)
        try await fleet.reconcile(FleetTarget(endpoint: "ocr", variant: "a", desired: 1))
        let worker = try #require(try await tell(report()).first)
        try await store.register(.fixture(instance: worker, in: clock.surroundings))
        try await fleet.hear(report([worker]), from: access)
        if !stops { clock.advance(by: MachineLedger.patience + .seconds(1)) }
        for _ in 0..<2 { try await fleet.hear(stops ? report([worker], isDraining: true) : report(run: "2"), from: access) }
        #expect(try await store.workers().map(\.draining) == [true])
        try await fleet.hear(stops ? report(isDraining: true) : report(run: "2"), from: access)
        try await store.deregister(try await store.workers()[0].id)
        clock.advance(by: .seconds(1))
        _ = try await fleet.instances()
        var reasons: [FleetInterruption.Reason] = []
        for await interruption in fleet.interruptions() {
            reasons.append(interruption.reason)
            if case .ended = interruption.reason { break }
        }
        let why = stops ? "the machine \"m\" stops: its workers finish what they hold" : "the agent of the machine \"m\" was started anew: its workers finish what they hold"
        #expect(reasons.count == 2 && reasons.first == .letGo(why: why))
    }

    @Test("Why a machine's worker goes is told also where the worker had ended by itself when its machine said that it stops")
    func quickEnd() async throws {
        try await fleet.hear(report(), from: access)
        try await fleet.reconcile(FleetTarget(endpoint: "ocr", variant: "a", desired: 1))
        let worker = try #require(try await tell(report()).first)
        try await fleet.hear(report([worker]), from: access)
        try await fleet.hear(report(isDraining: true), from: access)
        var told = fleet.interruptions().makeAsyncIterator()
        #expect(await told.next()?.reason == .letGo(why: "the machine \"m\" stops: its workers finish what they hold"))
        #expect(await told.next()?.reason == .ended(status: "gone", expected: true, stderrTail: ""))
    }
}
