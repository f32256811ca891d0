import MillraceCore

/// Waits for work on a store that has no better way: looks, waits for a hint, looks again.
public struct WaitingLease: Sendable {
    let store: any JobStore
    let surroundings: Surroundings

    public init(store: any JobStore, surroundings: Surroundings) {
        self.store = store
        self.surroundings = surroundings
    }

    /// How long to wait without a hint: hints may be lost, and what was scheduled becomes due without one.
    static let pollInterval: Duration = .seconds(1)

    public func run(_ demand: LeaseDemand, atMost limit: Duration) async throws -> [Job] {
        var demand = demand
        var left = limit
        while true {
            // A new subscription each time: a stream ends for good with the first wait on it that is over.
            let hints = store.changes.hints(.work(endpoint: demand.endpoint, variant: demand.variant))
            let jobs = try await store.lease(demand)
            guard jobs.isEmpty, left > .zero else { return jobs }
            demand = demand.waitingOn
            let slice = min(left, Self.pollInterval)
            let start = surroundings.now()
            try await StoreChanges.wait(for: hints, atMost: slice, in: surroundings)
            // A wall clock that is set makes a wait shorter or longer by one slice, not by hours.
            left -= min(max(surroundings.now().since(start), .milliseconds(1)), slice)
        }
    }
}
