import MillraceCore
import Testing

@Suite struct ColdStartTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    @Test func `marks of another clock are moved as a whole, and put in order where they lie ahead`() {
        let start = ColdStart.Marks(
            startedAt: now - .seconds(4), registeredAt: now - .seconds(3), fetchedAt: now - .seconds(2), loadedAt: now - .seconds(1), readyAt: now)
        let moved = start.shifted(by: .seconds(3600))
        #expect(moved.readyAt == now + .seconds(3600) && moved.readyAt.since(moved.startedAt) == .seconds(4))
        #expect(moved.shifted(by: .seconds(-3600)) == start && start.ordered(until: now) == start)
        let ordered = start.shifted(by: .milliseconds(1500)).ordered(until: now)
        #expect(ordered.readyAt == now && ordered.loadedAt == now && ordered.fetchedAt == now - .milliseconds(500))
    }
}
