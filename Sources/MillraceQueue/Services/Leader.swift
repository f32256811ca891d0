import MillraceCore
import Synchronization

/// One service's claim to a role, kept as long as it asks in time.
public final class Leader: Sendable {
    private let store: any LeadershipStore
    private let role: LeadershipRole
    private let candidate: CandidateID
    private let duration: Duration
    private let surroundings: Surroundings
    private let held = Mutex<Leadership?>(nil)

    /// - Parameter duration: how long the role stays with a leader that is not heard of.
    public init(_ store: any LeadershipStore, role: LeadershipRole, for duration: Duration, surroundings: Surroundings) {
        self.store = store
        self.role = role
        self.duration = duration
        self.surroundings = surroundings
        candidate = surroundings.makeID()
    }

    /// What the next write carries; `nil` while another leads. The store is asked once half of the time is over.
    public func leadership() async throws -> Leadership? {
        if let held = held.withLock({ $0 }), held.until.since(surroundings.now()) > duration / 2,
            // A clock that was set back must not keep a role for ever; the store's may be a little ahead.
            held.until.since(surroundings.now()) <= duration * 5 / 4 { return held }
        let granted = try await store.lead(role, as: candidate, for: duration)
        held.withLock { $0 = granted }
        return granted
    }

    /// Forgets what it holds: the store said that it is over.
    public func forget() {
        held.withLock { $0 = nil }
    }

    /// Gives the role back, so that another need not wait.
    public func resign() async {
        guard let last = held.withLock({ held in
            defer { held = nil }
            return held
        }) else { return }
        // Not heard: the role's time ends by itself.
        try? await store.resign(last)
    }
}
