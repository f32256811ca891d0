import Synchronization

/// How many connections there may be at once, over all of a server's threads.
final class ConnectionRoom: Sendable {
    private let free: Atomic<Int>

    init(_ connectionsMax: Int) {
        free = Atomic(connectionsMax)
    }

    /// `false`: there is no room. Else ``leave()`` must follow.
    func enter() -> Bool {
        if free.subtract(1, ordering: .relaxed).newValue >= 0 { return true }
        leave()
        return false
    }

    func leave() {
        free.add(1, ordering: .relaxed)
    }
}
