import MillraceCloud
import MillraceConformance
import MillraceCore
import MillraceTestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct FakeCloudFleetTests {
    @Test(arguments: FleetConformance.cases)
    func `keeps the promises of a fleet`(_ promise: FleetCase) async throws {
        try await promise.run { room, body in
            let clock = ManualClock()
            let fleet = FakeCloudFleet(room: room, surroundings: clock.surroundings) { .seconds(90) }
            try await body(
                FleetSubject(fleet, advance: { clock.advance(by: .seconds(30)); fleet.advance() }, crash: { fleet.crash($0) }))
        }
    }

    @Test func `boots take their time, some fail, and what is taken away is told before`() async throws {
        let clock = ManualClock()
        let fleet = FakeCloudFleet(surroundings: clock.surroundings) { .seconds(60) }
        try await fleet.reconcile(FleetTarget(endpoint: "ocr", variant: "a", desired: 2))
        #expect(fleet.advance() == clock.now + .seconds(60))
        #expect(fleet.takeBooted().isEmpty)
        fleet.failBoots(1)
        clock.advance(by: .seconds(60))
        fleet.advance()
        #expect(fleet.takeInterruptions().map(\.reason) == [.ended(status: "exit 3", expected: false, stderrTail: "no such model\n")])
        let booted = try #require(fleet.takeBooted().first)
        let end = clock.now + .seconds(120)
        fleet.notice(booted.id, endsAt: end)
        #expect(fleet.takeInterruptions().map(\.reason) == [.notice(end)])
        #expect(fleet.advance() == end)
        clock.advance(by: .seconds(120))
        fleet.advance()
        #expect(try await fleet.instances().isEmpty)
    }
}
