import DequeModule
import MillraceCore

/// Decides which waiting items make the next batch: round robin over jobs, so that a long document does not stand in
/// front of a single page; as many as the policy's count and cost allow; full batches at once, others when no further
/// item is worth the wait.
///
/// A value without clock or thread: it is told the time and answers what to do.
public struct BatchPlanner<Item: Sendable>: Sendable {
    public enum Decision: Sendable {
        /// Run these now.
        case run([Item])
        /// Nothing to run before this time unless the batch becomes full.
        case wait(until: Timestamp)
        /// Nothing waits.
        case idle
    }

    private struct Waiting: Sendable {
        var id: ItemID
        var item: Item
        var cost: Int
        var since: Timestamp
        var isAlone: Bool
    }

    private let itemsMax: Int
    /// What the items of a batch may cost together; one alone may cost more.
    private var costMax: Int
    private var arrivals: ArrivalEstimate
    private var queues: [JobID: Deque<Waiting>] = [:]
    /// Jobs with waiting items, the one whose turn is next in front.
    private var turns: Deque<JobID> = []
    private var costWaiting = 0
    /// Nothing waits or runs.
    private var isIdle = true
    public private(set) var count = 0

    public init(_ policy: BatchingPolicy) {
        itemsMax = max(1, policy.itemsMax)
        costMax = max(1, policy.costMax ?? .max)
        arrivals = ArrivalEstimate(waitMax: policy.waitMax)
    }

    /// Whether more items would change nothing about the next batch but which they are.
    public var isFull: Bool { count >= itemsMax || costWaiting >= costMax }

    /// - Parameter alone: whether it may share its batch with items of its own job only.
    public mutating func add(_ item: Item, id: ItemID, cost: Int = 1, of job: JobID, at now: Timestamp, alone: Bool = false) {
        arrivals.noteArrival(at: now, foundNothing: isIdle)
        isIdle = false
        if queues[job] == nil { turns.append(job) }
        queues[job, default: []].append(Waiting(id: id, item: item, cost: max(1, cost), since: now, isAlone: alone))
        count += 1
        costWaiting += max(1, cost)
    }

    /// An item's preparation has ended.
    public mutating func notePreparation(took duration: Duration) {
        arrivals.notePreparation(took: duration)
    }

    /// Takes an item out again, if it still waits.
    public mutating func remove(_ id: ItemID, of job: JobID) -> Item? {
        guard let index = queues[job]?.firstIndex(where: { $0.id == id }) else { return nil }
        let waiting = queues[job]!.remove(at: index)
        count -= 1
        costWaiting -= waiting.cost
        if queues[job]!.isEmpty { dropTurn(of: job) }
        return waiting.item
    }

    /// Takes out every item that waits.
    public mutating func removeAll() -> [Item] {
        defer { (queues, turns, count, costWaiting) = ([:], [], 0, 0) }
        return queues.values.flatMap { $0.map(\.item) }
    }

    /// The device had no room for a batch of this cost: from now on batches cost at most half of it.
    ///
    /// By cost alone: two giant pages that did not fit say nothing about sixteen small ones. Where every item costs the
    /// same, this halves their number.
    public mutating func shrink(below cost: Int) {
        costMax = max(1, min(costMax, cost / 2))
    }

    /// - Parameters:
    ///   - preparing: how many items are being made, which will come when they are.
    ///   - isRunning: whether an earlier batch still runs, and leaves room for another.
    public mutating func next(at now: Timestamp, preparing: Int, isRunning: Bool = false) -> Decision {
        guard count > 0 else {
            isIdle = !isRunning
            return .idle
        }
        if !isFull, let oldest = queues.values.lazy.compactMap(\.first?.since).min(),
            let until = arrivals.patience(since: oldest, preparing: preparing, at: now)
        {
            return .wait(until: until)
        }
        return .run(takeBatch())
    }

    private mutating func takeBatch() -> [Item] {
        if let job = turns.first, mustBeAlone(job) { return takeBatch(of: job) }
        var batch: [Item] = []
        var cost = 0
        // Jobs that must be alone, or whose next item does not fit any more: they are the first ones of the next batch.
        var passed: [JobID] = []
        while batch.count < itemsMax, let job = turns.popFirst() {
            guard let next = queues[job]?.first else { continue }
            guard !mustBeAlone(job), batch.isEmpty || next.cost <= costMax - cost else {
                passed.append(job)
                continue
            }
            queues[job]!.removeFirst()
            batch.append(next.item)
            cost += next.cost
            if queues[job]!.isEmpty { queues[job] = nil } else { turns.append(job) }
        }
        turns.prepend(contentsOf: passed)
        count -= batch.count
        costWaiting -= cost
        return batch
    }

    private mutating func takeBatch(of job: JobID) -> [Item] {
        turns.removeFirst()
        var (batch, cost): ([Item], Int) = ([], 0)
        while batch.count < itemsMax, let next = queues[job]?.first, batch.isEmpty || next.cost <= costMax - cost {
            queues[job]!.removeFirst()
            batch.append(next.item)
            cost += next.cost
        }
        if queues[job]!.isEmpty { queues[job] = nil } else { turns.append(job) }
        count -= batch.count
        costWaiting -= cost
        return batch
    }

    private func mustBeAlone(_ job: JobID) -> Bool {
        queues[job]?.first?.isAlone ?? false
    }

    private mutating func dropTurn(of job: JobID) {
        queues[job] = nil
        turns.removeAll { $0 == job }
    }
}
