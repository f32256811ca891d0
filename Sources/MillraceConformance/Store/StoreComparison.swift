import MillraceCore
import MillraceQueue
import MillraceTestSupport

/// Drives two stores through the same random operations and expects the same answers and the same state after each.
///
/// Both get a clock and random numbers of their own, with the same seed, so even tokens and backoffs are the same.
public enum StoreComparison {
    public typealias Opened = (store: any Store, clock: ManualClock)

    /// - Throws: ``ConformanceFailure`` with the seed, the step and what differs.
    public static func run(seed: UInt64, steps: Int, _ factories: (StoreFactory, StoreFactory)) async throws {
        let clocks = (ManualClock(seed: seed), ManualClock(seed: seed))
        let left = StoreActor(StoreBench(store: try await factories.0(clocks.0.surroundings), clock: clocks.0))
        let right = StoreActor(StoreBench(store: try await factories.1(clocks.1.surroundings), clock: clocks.1))
        var script = StoreScript(seed: seed)
        for step in 0..<steps {
            let operation = script.next()
            let (one, two) = (await left.answer(operation), await right.answer(operation))
            let place = "seed \(seed), step \(step), \(operation)"
            try expect(one == two, "\(place): the answers differ:\n\(one)\n\(two)")
            // Who draws more or fewer numbers shows here, not many steps later by an id that differs.
            try expectEqual(clocks.0.surroundings.random(), clocks.1.surroundings.random(), "\(place): a store draws other random numbers")
            script.learn(from: one)
            guard step % 10 == 9 || step == steps - 1 else { continue }
            let (stateOne, stateTwo) = (try await left.state(script), try await right.state(script))
            for (a, b) in zip(stateOne, stateTwo) { try expect(a == b, "\(place): the states differ:\n\(a)\n\(b)") }
            try expectEqual(stateOne.count, stateTwo.count, place)
        }
    }
}
