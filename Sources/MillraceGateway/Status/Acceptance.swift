import Synchronization

/// Whether new work is taken: true until the gateway begins to stop.
final class Acceptance: Sendable {
    private let open = Atomic<Bool>(true)

    var isOpen: Bool { open.load(ordering: .relaxed) }
    func close() { open.store(false, ordering: .relaxed) }
}
