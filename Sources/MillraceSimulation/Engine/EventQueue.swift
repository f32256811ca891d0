/// What is to happen, the earliest first; what is due at the same time comes in the order in which it was asked for.
struct EventQueue {
    typealias Action = () async throws -> Void

    private struct Event {
        var time: Int64
        var sequence: Int
        var action: Action

        func isBefore(_ other: Event) -> Bool {
            time < other.time || time == other.time && sequence < other.sequence
        }
    }

    private var heap: [Event] = []
    private var sequence = 0

    var isEmpty: Bool { heap.isEmpty }

    mutating func add(at time: Int64, _ action: @escaping Action) {
        sequence += 1
        heap.append(Event(time: time, sequence: sequence, action: action))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func takeNext() -> (time: Int64, action: Action)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return (first.time, first.action)
    }

    mutating func removeAll() {
        heap = []
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            let (left, right) = (2 * parent + 1, 2 * parent + 2)
            if left < heap.count, heap[left].isBefore(heap[least]) { least = left }
            if right < heap.count, heap[right].isBefore(heap[least]) { least = right }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
