import Foundation
import MillraceCore
import MillraceInference
import MillraceTestSupport
import Testing

/// How long items wait for others, and how full batches become, for arrivals from a seed on a device that takes some time.
@Suite struct WaitingTimeTests {
    private struct Outcome {
        /// Milliseconds that each item waited though the device was free.
        var waits: [Int] = []
        /// Items of each batch.
        var fills: [Int] = []
        var meanWait: Double { Double(waits.reduce(0, +)) / Double(max(1, waits.count)) }
        var meanFill: Double { Double(fills.reduce(0, +)) / Double(max(1, fills.count)) }
    }

    private static let itemsMax = 16
    private static let waitMax = 20

    /// - Parameters:
    ///   - arrival: Asked every millisecond, with the batches that have ended, how many items come.
    ///   - running: Milliseconds that a batch takes.
    private func simulate(milliseconds: Int, running: Int, _ arrival: (_ now: Int, _ ended: Int) -> Int) -> Outcome {
        var policy = BatchingPolicy()
        policy.itemsMax = Self.itemsMax
        policy.waitMax = .milliseconds(Self.waitMax)
        var planner = BatchPlanner<Int>(policy)
        var (outcome, id, freeAt) = (Outcome(), 0, 0)
        for now in 0..<milliseconds {
            let time = Timestamp(milliseconds: Int64(now))
            for _ in 0..<arrival(now, outcome.fills.count - (now < freeAt ? 1 : 0)) {
                id += 1
                planner.add(now, id: ItemID(id), of: JobID(high: 1, low: UInt64(id)), at: time)
            }
            guard now >= freeAt, case .run(let batch) = planner.next(at: time, preparing: 0) else { continue }
            outcome.waits += batch.map { now - max($0, freeAt) }
            outcome.fills.append(batch.count)
            freeAt = now + running
        }
        return outcome
    }

    /// Arrivals at random, independent of each other.
    private func random(_ perSecond: Double, seed: UInt64) -> (Int, Int) -> Int {
        var random = SplitMix64(seed: seed)
        func gap() -> Double { -log(1 - Double(random.next() >> 11) * 0x1p-53) * 1000 / perSecond }
        var next = gap()
        return { now, _ in
            var count = 0
            while next < Double(now + 1) {
                count += 1
                next += gap()
            }
            return count
        }
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>) func `on an idle system nothing waits`(seed: UInt64) {
        let outcome = simulate(milliseconds: 100_000, running: 10, random(2, seed: seed))
        #expect(outcome.waits.count > 120)
        #expect(outcome.meanWait < 0.05)
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>) func `a busy system fills its batches`(seed: UInt64) {
        // The device could do twice as much in full batches, and a tenth of it item by item.
        let outcome = simulate(milliseconds: 10_000, running: 8, random(1000, seed: seed))
        #expect(outcome.waits.count > 9000)
        #expect(outcome.meanFill > 14)
        #expect(outcome.waits.allSatisfy { $0 <= Self.waitMax })
    }

    @Test(arguments: [1, 2, 5, 20, 50, 100, 200, 500, 1000, 2000] as [Double]) func `whatever the rate, nothing waits longer than it may`(rate: Double) {
        let outcome = simulate(milliseconds: 20_000, running: 5, random(rate, seed: 7))
        #expect(outcome.waits.max()! <= Self.waitMax)
        print("\(Int(rate)) items a second: mean wait \(outcome.meanWait) ms, mean fill \(outcome.meanFill)")
    }

    @Test func `one client that waits for each answer is not made to wait for itself`() {
        var (asked, answeredAt) = (0, 0)
        let outcome = simulate(milliseconds: 20_000, running: 5) { now, ended in
            if ended < asked { answeredAt = now }
            guard ended == asked, now >= answeredAt + 3 else { return 0 }
            asked += 1
            return 1
        }
        #expect(outcome.waits.count > 2000)
        #expect(outcome.waits.allSatisfy { $0 == 0 })
    }

    @Test func `when a stream ends, its last items wait a few of its gaps and no longer`() {
        let outcome = simulate(milliseconds: 2000, running: 4) { now, _ in now < 1001 ? 1 : 0 }
        #expect(outcome.fills.reduce(0, +) == 1001)
        #expect(outcome.waits.suffix(outcome.fills.last!).allSatisfy { $0 <= 16 + 4 })
        #expect(outcome.waits.last! <= 4)
    }

    @Test func `after a quiet minute a lone item runs at once, and the busy time is found again`() {
        let outcome = simulate(milliseconds: 70_000, running: 8) { now, _ in
            now < 1000 || now > 62_000 && now < 63_000 ? 2 : (now == 61_000 ? 1 : 0)
        }
        // Two a millisecond came before it.
        #expect(outcome.waits[2000] == 0 && outcome.fills.contains(1))
        #expect(outcome.fills.suffix(100).filter { $0 == Self.itemsMax }.count > 90)
    }
}
