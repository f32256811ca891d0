import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Synchronization
import Testing

@Suite("A leader")
struct LeaderTests {
    let clock = ManualClock()
    let store: CountedLeaderships

    init() {
        store = CountedLeaderships(InMemoryStore(clock.surroundings))
    }

    private func leader(_ role: LeadershipRole = .rescue) -> Leader {
        Leader(store, role: role, for: .seconds(10), surroundings: clock.surroundings)
    }

    @Test("asks the store again once half of its time is over, and keeps its epoch")
    func renews() async throws {
        let leader = leader()
        let first = try await leader.leadership()
        clock.advance(by: .milliseconds(4_999))
        #expect(try await leader.leadership() == first)
        #expect(store.asked == 1)
        clock.advance(by: .milliseconds(1))
        let second = try await leader.leadership()
        #expect(store.asked == 2)
        #expect(second?.epoch == first?.epoch)
        #expect(second?.until == clock.now + .seconds(10))
    }

    @Test("has nothing while another leads, and asks each time")
    func follows() async throws {
        let (one, two) = (leader(), leader())
        #expect(try await one.leadership()?.epoch == 1)
        for asked in 2...4 {
            #expect(try await two.leadership() == nil)
            #expect(store.asked == asked)
        }
        clock.advance(by: .seconds(10))
        #expect(try await two.leadership()?.epoch == 2)
        #expect(try await one.leadership() == nil)
    }

    @Test("that was told that it lost asks before it writes again")
    func forgets() async throws {
        let leader = leader()
        _ = try await leader.leadership()
        leader.forget()
        #expect(try await leader.leadership()?.epoch == 1)
        #expect(store.asked == 2)
    }

    @Test("that resigns leaves its role to the next at once")
    func resigns() async throws {
        let (one, two) = (leader(), leader())
        _ = try await one.leadership()
        await one.resign()
        #expect(try await two.leadership()?.epoch == 2)
        await one.resign()
        #expect(try await one.leadership() == nil)
        #expect(try await two.leadership()?.epoch == 2, "resigning twice takes nothing from the next")
    }

    @Test("does not believe for longer than its time that it leads, whatever the clock does", arguments: [-86_400, -6, 6, 86_400])
    func steps(seconds: Int) async throws {
        let leader = leader()
        _ = try await leader.leadership()
        clock.step(by: .seconds(seconds))
        _ = try await leader.leadership()
        #expect(store.asked == 2)
    }

    @Test("keeps its role through a failure of the store, as long as its time lasts")
    func failure() async throws {
        let leader = leader()
        let first = try await leader.leadership()
        store.fails = true
        clock.advance(by: .seconds(4))
        #expect(try await leader.leadership() == first)
        clock.advance(by: .seconds(4))
        await #expect(throws: MillraceError.self) { try await leader.leadership() }
        store.fails = false
        #expect(try await leader.leadership()?.epoch == 1)
    }
}

/// Counts how often it is asked, and may fail.
final class CountedLeaderships: LeadershipStore {
    private let store: InMemoryStore
    private let state = Mutex((asked: 0, fails: false))

    init(_ store: InMemoryStore) {
        self.store = store
    }

    var asked: Int { state.withLock { $0.asked } }
    var fails: Bool {
        get { state.withLock { $0.fails } }
        set { state.withLock { $0.fails = newValue } }
    }

    func lead(_ role: LeadershipRole, as candidate: CandidateID, for duration: Duration) async throws -> Leadership? {
        let fails = state.withLock { state in
            state.asked += 1
            return state.fails
        }
        if fails { throw MillraceError(.unavailable, "the store cannot be reached") }
        return try await store.lead(role, as: candidate, for: duration)
    }

    func resign(_ leadership: Leadership) async throws {
        try await store.resign(leadership)
    }
}
