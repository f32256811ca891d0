import MillraceCore
import MillraceTestSupport
import Testing

@Suite("The manual clock", .timeLimit(.minutes(1)))
struct ManualClockTests {
    let clock = ManualClock()

    @Test("wakes sleepers when their time has come, and not before")
    func wakes() async throws {
        let woken = Signal(of: Int.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seconds in [3, 1, 2] {
                group.addTask {
                    try await clock.surroundings.sleep(.seconds(seconds))
                    woken.send(seconds)
                }
            }
            try await clock.waitForSleepers(3)
            clock.advance(by: .milliseconds(999))
            #expect(clock.sleepers == 3)
            for expected in 1...3 {
                clock.advance(by: expected == 1 ? .milliseconds(1) : .seconds(1))
                #expect(try await woken.next() == expected)
            }
            try await group.waitForAll()
        }
    }

    @Test("lets no cancelled sleeper hang, however the two meet")
    func cancellation() async throws {
        for round in 0..<200 {
            let sleeper = Task { try await clock.surroundings.sleep(.seconds(1)) }
            if round % 2 == 0 { try await clock.waitForSleepers() }
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
            #expect(clock.sleepers == 0)
        }
    }

    @Test("moves the wall alone when it is stepped")
    func step() async throws {
        let start = clock.now
        let sleeper = Task { try await clock.surroundings.sleep(.seconds(5)) }
        try await clock.waitForSleepers()
        clock.step(by: .seconds(3600))
        #expect(clock.now == start + .seconds(3600))
        #expect(clock.sleepers == 1)
        clock.step(by: .seconds(-7200))
        clock.advance(by: .seconds(5))
        try await sleeper.value
        #expect(clock.now == start - .seconds(3595))
    }

    @Test("gives the same numbers for the same seed, and others for another")
    func seeds() {
        func numbers(_ seed: UInt64) -> [UInt64] {
            let surroundings = ManualClock(seed: seed).surroundings
            return (0..<5).map { _ in surroundings.random() }
        }
        #expect(numbers(1) == numbers(1))
        #expect(numbers(1) != numbers(2))
        var generator = SplitMix64(seed: 1_234_567)
        #expect(generator.next() == 6_457_827_717_110_365_317)
    }
}
