import DequeModule
import MillraceCore

/// Who is in code that may crash, and who waits to go in: any number at a time, or one that must be alone. First come, first
/// served, so that neither kind keeps the other out for long.
///
/// A value without locks or tasks: it is told who comes and goes, and answers who goes in.
struct RiskRoom: Sendable {
    struct Entry: Sendable, Equatable {
        var id: Int
        var jobs: [JobID]
        var isAlone: Bool
    }

    private(set) var inside = 0
    private var isTakenAlone = false
    private(set) var waiting: Deque<Entry> = []

    /// - Returns: whether it goes in at once; else it waits.
    mutating func come(_ entry: Entry) -> Bool {
        guard waiting.isEmpty, hasRoom(for: entry) else {
            waiting.append(entry)
            return false
        }
        take(entry)
        return true
    }

    /// One of those inside goes.
    /// - Returns: who goes in now.
    mutating func leave() -> [Entry] {
        precondition(inside > 0, "only who is inside can leave")
        inside -= 1
        isTakenAlone = false
        return letIn()
    }

    /// One that waits does so no longer.
    /// - Returns: who goes in now, having waited behind it; `nil` when it does not wait.
    mutating func giveUp(_ id: Int) -> [Entry]? {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return nil }
        waiting.remove(at: index)
        return letIn()
    }

    private func hasRoom(for entry: Entry) -> Bool {
        entry.isAlone ? inside == 0 : !isTakenAlone
    }

    private mutating func take(_ entry: Entry) {
        inside += 1
        isTakenAlone = entry.isAlone
    }

    private mutating func letIn() -> [Entry] {
        var entering: [Entry] = []
        while let next = waiting.first, hasRoom(for: next) {
            take(waiting.removeFirst())
            entering.append(next)
        }
        return entering
    }
}
