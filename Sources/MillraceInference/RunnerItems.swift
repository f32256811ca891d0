/// What a runner remembers of items until it has answered for them: a batch that failed is run again by the caller,
/// and what was settled in the first try stays settled.
public struct RunnerItems: Sendable {
    /// Batches that failed and are never run again must not fill the memory.
    private static let rememberedMax = 4096
    private static let earlyMax = 1024

    private var known: Set<ItemID> = []
    private var outcomes: [ItemID: ItemOutcome] = [:]
    private var stopped: [ItemID: CancellationReason] = [:]
    /// Items that were asked to stop but are not here, oldest first: whoever asks does so on a task of its own, which
    /// may overtake the item's batch. One that has left already stays in it without harm, for no id is used twice.
    private var early: [(item: ItemID, reason: CancellationReason)] = []

    public init() {}

    public mutating func admit(_ items: [ItemID]) {
        if known.count > Self.rememberedMax { (known, outcomes, stopped) = ([], [:], [:]) }
        known.formUnion(items)
        for (item, reason) in early where known.contains(item) { _ = stop(item, reason: reason) }
        early.removeAll { known.contains($0.item) }
    }

    /// Notes that an item was asked to stop. `false`: it has been answered or is not here yet.
    public mutating func stop(_ item: ItemID, reason: CancellationReason) -> Bool {
        guard known.contains(item) else {
            if early.count >= Self.earlyMax { early.removeFirst() }
            early.append((item, reason))
            return false
        }
        guard outcomes[item] == nil else { return false }
        stopped[item] = reason
        return true
    }

    public func stopping(_ item: ItemID) -> CancellationReason? { stopped[item] }

    /// Whether an item need not be sent: it has its outcome, or was asked to stop before it began.
    public func isSettled(_ item: ItemID) -> Bool { outcomes[item] != nil || stopped[item] != nil }

    public mutating func settle(_ new: [ItemID: ItemOutcome]) {
        outcomes.merge(new) { $1 }
    }

    /// The outcomes of a batch, every item of which is settled; they are forgotten here.
    public mutating func take(_ items: [ItemID]) -> [ItemOutcome] {
        let result = items.map { item in
            if let outcome = outcomes[item] { return outcome }
            precondition(stopped[item] != nil, "every item has an outcome when its batch ends")
            return .cancelled
        }
        forget(items)
        return result
    }

    /// Items that are not run again, whatever became of them.
    public mutating func forget(_ items: [ItemID]) {
        for item in items {
            known.remove(item)
            outcomes[item] = nil
            stopped[item] = nil
        }
    }
}
