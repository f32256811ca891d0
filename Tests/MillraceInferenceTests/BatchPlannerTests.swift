import MillraceCore
import MillraceInference
import Testing

@Suite struct BatchPlannerTests {
    private let start = Timestamp(milliseconds: 1_000_000)
    private let first = JobID(high: 1, low: 1)
    private let second = JobID(high: 2, low: 2)

    private func planner(itemsMax: Int = 4) -> BatchPlanner<String> {
        var policy = BatchingPolicy()
        policy.itemsMax = itemsMax
        policy.waitMax = .milliseconds(20)
        return BatchPlanner(policy)
    }

    @Test func `an empty planner is idle`() {
        var planner = planner()
        guard case .idle = planner.next(at: start, moreExpected: true) else {
            Issue.record("expected idle")
            return
        }
    }

    @Test func `a long document does not stand in front of a single page`() {
        var planner = planner(itemsMax: 4)
        for index in 0..<100 { planner.add("long\(index)", id: ItemID(index), of: first, at: start) }
        planner.add("short", id: 200, of: second, at: start)
        #expect(planner.batch(at: start) == ["long0", "short", "long1", "long2"])
        #expect(planner.count == 97)
    }

    @Test func `a full batch runs at once, another one waits for its oldest item's patience`() {
        var planner = planner(itemsMax: 2)
        planner.add("a", id: 1, of: first, at: start)
        guard case .wait(let until) = planner.next(at: start, moreExpected: true) else {
            Issue.record("expected to wait")
            return
        }
        #expect(until == start + .milliseconds(20))
        #expect(planner.batch(at: until, moreExpected: true) == ["a"])
        planner.add("b", id: 2, of: first, at: start)
        planner.add("c", id: 3, of: second, at: start)
        #expect(planner.batch(at: start, moreExpected: true) == ["b", "c"])
    }

    @Test func `nothing is waited for when nobody makes items`() {
        var planner = planner()
        planner.add("a", id: 1, of: first, at: start)
        #expect(planner.batch(at: start, moreExpected: false) == ["a"])
    }

    @Test func `an item taken out is not run, and its job's turn goes with its last item`() {
        var planner = planner()
        planner.add("a", id: 1, of: first, at: start)
        planner.add("b", id: 2, of: second, at: start)
        #expect(planner.remove(1, of: first) == "a")
        #expect(planner.remove(1, of: first) == nil)
        #expect(planner.batch(at: start) == ["b"])
        #expect(planner.count == 0)
    }

    @Test func `the items of a suspect are a batch of their own, and others have their turn in between`() {
        var planner = planner(itemsMax: 4)
        planner.add("a0", id: 0, of: first, at: start)
        for index in 0..<6 { planner.add("s\(index)", id: ItemID(10 + index), of: second, at: start, alone: true) }
        for index in 1..<6 { planner.add("a\(index)", id: ItemID(index), of: first, at: start) }
        #expect(planner.batch(at: start) == ["a0", "a1", "a2", "a3"])
        #expect(planner.batch(at: start) == ["s0", "s1", "s2", "s3"])
        #expect(planner.batch(at: start) == ["a4", "a5"])
        #expect(planner.batch(at: start) == ["s4", "s5"])
        #expect(planner.count == 0)
    }

    @Test func `after out of memory batches stay at half the size`() {
        var planner = planner(itemsMax: 8)
        planner.shrink(below: 8)
        for index in 0..<8 { planner.add("\(index)", id: ItemID(index), of: first, at: start) }
        #expect(planner.batch(at: start).count == 4)
        planner.shrink(below: 1)
        #expect(planner.batch(at: start).count == 1)
    }
}

extension BatchPlanner {
    fileprivate mutating func batch(at now: Timestamp, moreExpected: Bool = false) -> [Item] {
        if case .run(let items) = next(at: now, moreExpected: moreExpected) { items } else { [] }
    }
}
