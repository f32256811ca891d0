import DequeModule
import MillraceCore

/// Decides which waiting items make the next batch: round robin over jobs, so that a long document does not stand in
/// front of a single page; full batches at once, others when their oldest item has waited long enough.
///
/// A value without clock or thread: it is told the time and answers what to do.
public struct BatchPlanner<Item: Sendable>: Sendable {
    public enum Decision: Sendable {
        /// Run these now.
        case run([Item])
        /// Nothing to run before this time unless more items come.
        case wait(until: Timestamp)
        /// Nothing waits.
        case idle
    }

    private struct Waiting: Sendable {
        var id: ItemID
        var item: Item
        var since: Timestamp
        var isAlone: Bool
    }

    private var itemsMax: Int
    private let waitMax: Duration
    private var queues: [JobID: Deque<Waiting>] = [:]
    /// Jobs with waiting items, the one whose turn is next in front.
    private var turns: Deque<JobID> = []
    public private(set) var count = 0

    public init(_ policy: BatchingPolicy) {
        itemsMax = max(1, policy.itemsMax)
        waitMax = policy.waitMax
    }

    /// - Parameter alone: whether it may share its batch with items of its own job only.
    public mutating func add(_ item: Item, id: ItemID, of job: JobID, at now: Timestamp, alone: Bool = false) {
        if queues[job] == nil { turns.append(job) }
        queues[job, default: []].append(Waiting(id: id, item: item, since: now, isAlone: alone))
        count += 1
    }

    /// Takes an item out again, if it still waits.
    public mutating func remove(_ id: ItemID, of job: JobID) -> Item? {
        guard let index = queues[job]?.firstIndex(where: { $0.id == id }) else { return nil }
        let waiting = queues[job]!.remove(at: index)
        count -= 1
        if queues[job]!.isEmpty { dropTurn(of: job) }
        return waiting.item
    }

    /// The device had no room for this many items: from now on batches are at most half of it.
    public mutating func shrink(below items: Int) {
        itemsMax = max(1, min(itemsMax, items / 2))
    }

    /// - Parameter moreExpected: whether items are being made that could still fill the batch. When none are, waiting
    ///   would only cost time.
    public mutating func next(at now: Timestamp, moreExpected: Bool) -> Decision {
        guard count > 0 else { return .idle }
        if count < itemsMax, moreExpected, let oldest = queues.values.lazy.compactMap(\.first?.since).min() {
            let due = oldest + waitMax
            if now < due { return .wait(until: due) }
        }
        return .run(takeBatch())
    }

    private mutating func takeBatch() -> [Item] {
        if let job = turns.first, mustBeAlone(job) { return takeBatch(of: job) }
        var (batch, passedOver): ([Item], [JobID]) = ([], [])
        while batch.count < itemsMax, let job = turns.popFirst() {
            guard !mustBeAlone(job) else {
                passedOver.append(job)
                continue
            }
            guard let waiting = queues[job]?.popFirst() else { continue }
            batch.append(waiting.item)
            if queues[job]!.isEmpty { queues[job] = nil } else { turns.append(job) }
        }
        // They are next.
        turns.prepend(contentsOf: passedOver)
        count -= batch.count
        return batch
    }

    private mutating func takeBatch(of job: JobID) -> [Item] {
        turns.removeFirst()
        let batch = queues[job]!.prefix(itemsMax).map(\.item)
        queues[job]!.removeFirst(batch.count)
        if queues[job]!.isEmpty { queues[job] = nil } else { turns.append(job) }
        count -= batch.count
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
