import MillraceCore
import MillraceInference
import Testing

@Suite struct BatchPlannerTests {
    private let start = Timestamp(milliseconds: 1_000_000)
    private let first = JobID(high: 1, low: 1)
    private let second = JobID(high: 2, low: 2)

    private func planner(itemsMax: Int = 4, costMax: Int? = nil) -> BatchPlanner<String> {
        var policy = BatchingPolicy()
        policy.itemsMax = itemsMax
        policy.costMax = costMax
        policy.waitMax = .milliseconds(20)
        return BatchPlanner(policy)
    }

    @Test func `an empty planner is idle`() {
        var planner = planner()
        guard case .idle = planner.next(at: start, preparing: 1) else {
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
        guard case .wait(let until) = planner.next(at: start, preparing: 1) else {
            Issue.record("expected to wait")
            return
        }
        #expect(until == start + .milliseconds(20))
        #expect(planner.batch(at: until, preparing: 1) == ["a"])
        planner.add("b", id: 2, of: first, at: start)
        planner.add("c", id: 3, of: second, at: start)
        #expect(planner.batch(at: start, preparing: 1) == ["b", "c"])
    }

    @Test func `nothing is waited for when nobody makes items`() {
        var planner = planner()
        planner.add("a", id: 1, of: first, at: start)
        #expect(planner.batch(at: start, preparing: 0) == ["a"])
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

    @Test func `an item that takes longer to make than any wait is not waited for`() {
        var planner = planner()
        planner.notePreparation(took: .milliseconds(300))
        planner.add("a", id: 1, of: first, at: start)
        #expect(planner.batch(at: start, preparing: 2) == ["a"])
        planner.add("b", id: 2, of: first, at: start)
        #expect(planner.batch(at: start, preparing: 20) == [], "twenty at a time: one every 15 ms")
    }

    @Test func `a clock that was set back holds nothing up`() {
        var planner = planner()
        planner.add("a", id: 1, of: first, at: start)
        #expect(planner.batch(at: start - .seconds(3600), preparing: 1) == ["a"])
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

    @Test func `two giant items that had no room do not limit small ones`() {
        var planner = planner(itemsMax: 16)
        planner.shrink(below: 2000)
        for index in 0..<16 { planner.add("small\(index)", id: ItemID(index), cost: 10, of: first, at: start) }
        #expect(planner.batch(at: start).count == 16)
        for index in 0..<3 { planner.add("giant\(index)", id: ItemID(index), cost: 1000, of: first, at: start) }
        #expect(planner.batch(at: start) == ["giant0"])
    }

    @Test func `a batch costs at most what it may, and one item alone may always run`() {
        var planner = planner(itemsMax: 16, costMax: 100)
        planner.add("huge", id: 1, cost: 500, of: first, at: start)
        planner.add("b", id: 2, cost: 60, of: first, at: start)
        planner.add("c", id: 3, cost: 40, of: first, at: start)
        planner.add("d", id: 4, cost: 1, of: first, at: start)
        #expect(planner.batch(at: start) == ["huge"])
        #expect(planner.batch(at: start) == ["b", "c"])
        #expect(planner.batch(at: start) == ["d"])
        #expect(planner.batch(at: start) == [] && planner.count == 0)
    }

    @Test func `an item that does not fit lets smaller ones of other jobs by, and has the first turn of the next batch`() {
        var planner = planner(itemsMax: 16, costMax: 100)
        planner.add("a", id: 1, cost: 50, of: first, at: start)
        planner.add("large", id: 2, cost: 90, of: first, at: start)
        for index in 0..<4 { planner.add("s\(index)", id: ItemID(10 + index), cost: 25, of: second, at: start) }
        #expect(planner.batch(at: start) == ["a", "s0", "s1"])
        #expect(planner.batch(at: start) == ["large"])
        #expect(planner.batch(at: start) == ["s2", "s3"])
    }

    @Test func `a batch is full by cost as well, and an item taken out gives its cost back`() {
        var planner = planner(itemsMax: 16, costMax: 100)
        planner.add("a", id: 1, cost: 60, of: first, at: start)
        planner.add("b", id: 2, cost: 60, of: second, at: start)
        #expect(planner.isFull)
        #expect(planner.remove(1, of: first) == "a" && !planner.isFull)
        #expect(planner.removeAll() == ["b"] && planner.count == 0)
    }
}

extension BatchPlanner {
    fileprivate mutating func batch(at now: Timestamp, preparing: Int = 0) -> [Item] {
        if case .run(let items) = next(at: now, preparing: preparing) { items } else { [] }
    }
}
