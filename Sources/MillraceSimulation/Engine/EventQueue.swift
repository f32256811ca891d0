import HeapModule

/// What is to happen, the earliest first; what is due at the same time comes in the order in which it was asked for.
struct EventQueue {
    typealias Action = () async throws -> Void

    private struct Event: Comparable {
        var time: Int64
        var sequence: Int
        var action: Action

        static func < (left: Self, right: Self) -> Bool { (left.time, left.sequence) < (right.time, right.sequence) }
        static func == (left: Self, right: Self) -> Bool { left.sequence == right.sequence }
    }

    private var events = Heap<Event>()
    private var sequence = 0

    mutating func add(at time: Int64, _ action: @escaping Action) {
        sequence += 1
        events.insert(Event(time: time, sequence: sequence, action: action))
    }

    mutating func takeNext() -> (time: Int64, action: Action)? {
        events.popMin().map { ($0.time, $0.action) }
    }

    mutating func removeAll() {
        events = []
    }
}
