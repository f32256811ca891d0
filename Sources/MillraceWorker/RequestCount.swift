import Synchronization

/// Numbers a worker's requests for work, so that the store can tell an earlier one that comes late from the last.
final class RequestCount: Sendable {
    private let count = Atomic<Int64>(0)

    func next() -> Int64 {
        count.add(1, ordering: .relaxed).newValue
    }
}
