import MillraceCore
import MillraceInference
import MillraceWire

/// A batch that a handler has been sent and what it has answered so far.
struct HandlerBatch: Equatable {
    let id: Int64
    let items: [ItemID]
    var answers: [ItemID: HandlerAnswer] = [:]
    /// Items whose answer there was no room for beside the others: to be run again.
    var crowdedOut: Set<ItemID> = []
    /// Items that were asked to stop.
    var stopping: Set<ItemID> = []
    /// Those of them that were asked to because the worker drains.
    var draining: Set<ItemID> = []
    /// Items whose checkpoint is being stored.
    var storing: Set<ItemID> = []
    /// The handler's word that the batch failed as a whole.
    var breakdown: JobFailure?

    func isUnanswered(_ item: ItemID) -> Bool { items.contains(item) && answers[item] == nil && !crowdedOut.contains(item) }
    var unanswered: [ItemID] { items.filter(isUnanswered) }

    /// What the batch came to. An item that was asked to stop has stopped, if only because its process has; when a
    /// batch of one failed, there is no doubt who did it.
    func ended(with remainder: BatchEnd.Remainder?) -> BatchEnd {
        var end = BatchEnd(answers: answers)
        for item in items where answers[item] == nil && stopping.contains(item) { end.answers[item] = .cancelled }
        switch remainder {
        case .failed(let failure) where items.count == 1, .lost(let failure) where items.count == 1:
            if end.answers[items[0]] == nil { end.answers[items[0]] = .error(failure) }
        default: break
        }
        end.remainder = items.allSatisfy { end.answers[$0] != nil || crowdedOut.contains($0) } ? nil : remainder
        return end
    }
}

/// What a handler answered for one item, before anybody looked at the files it names.
enum HandlerAnswer: Equatable, Sendable {
    case reply(json: JSONValue?, outputs: [HandlerWorkMessage.Result.Output], tensors: [TakenTensor] = [])
    case error(JobFailure)
    case cancelled
}

struct BatchEnd: Equatable, Sendable {
    /// What became of the items that have no answer.
    enum Remainder: Equatable, Sendable {
        /// The batch failed and the handler lives.
        case failed(JobFailure)
        /// The handler died or was ended.
        case lost(JobFailure)
        /// The handler was leaving already; it has not seen the batch.
        case unsent
        /// Nobody wants to know.
        case abandoned

        var leavesNoProcess: Bool { if case .failed = self { false } else { true } }
    }
    var answers: [ItemID: HandlerAnswer] = [:]
    /// `nil`: every item has its answer, or is to be run again beside fewer others.
    var remainder: Remainder?
}
