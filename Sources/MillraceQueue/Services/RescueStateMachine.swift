import MillraceCore

/// Decides when expired leases may be taken back.
///
/// A lease is a promise of both sides: the worker sends heartbeats, and the store is there to hear them. After a time in
/// which the store could not hear (the gateway was not running, was stopped, or the store did not answer), a lease that
/// looks expired says nothing about its worker. So nothing is rescued for one full lease, in which living workers renew.
package struct RescueStateMachine: Sendable, Equatable {
    enum Action: Sendable, Equatable {
        /// Only see whether the store can be written to.
        case probe
        case rescue
    }

    let lease: Duration
    private(set) var lastTick: Timestamp?
    private(set) var quietUntil: Timestamp?

    package init(lease: Duration) {
        self.lease = lease
    }

    /// A tick, at the latest every lease. A longer gap, also by a clock that was set, is an outage.
    mutating func tick(at now: Timestamp) -> Action {
        let gap = lastTick.map { now.since($0) }
        lastTick = now
        if gap.map({ $0 > lease || $0 < .zero }) ?? true { quietUntil = now + lease }
        if let quietUntil, now < quietUntil { return .probe }
        quietUntil = nil
        return .rescue
    }

    /// The store failed: it could not hear heartbeats either.
    mutating func failed(at now: Timestamp) {
        quietUntil = now + lease
    }
}
