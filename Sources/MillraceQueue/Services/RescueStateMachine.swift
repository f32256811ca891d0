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
        /// The clock was set back: correct what is due, then ``corrected(at:)``.
        case correct(by: Duration)
    }

    let lease: Duration
    private(set) var lastTick: Timestamp?
    /// The epoch in which this gateway last led.
    private(set) var lastEpoch: Int64?
    /// The clock at the last tick, also one after which the store failed.
    private(set) var lastClock: Timestamp?
    private(set) var quietUntil: Timestamp?
    /// By how much the clock was set back, as long as the store does not know.
    private(set) var setBackBy: Duration = .zero

    package init(lease: Duration) {
        self.lease = lease
    }

    /// A tick, at the latest every lease. A longer gap, also by a clock that was set, is an outage.
    ///
    /// - Parameter epoch: that of the role, when this gateway leads. Who takes the role waits, too: whoever led before may have
    ///   moved leases a moment ago, when the clock was set back.
    mutating func tick(at now: Timestamp, epoch: Int64? = nil) -> Action {
        let gap = lastTick.map { now.since($0) }
        if let lastClock, now < lastClock { setBackBy += lastClock.since(now) }
        (lastTick, lastClock) = (now, now)
        if gap.map({ $0 > lease || $0 < .zero }) ?? true { quietUntil = now + lease }
        if let epoch, epoch != lastEpoch {
            lastEpoch = epoch
            quietUntil = now + lease
        }
        if setBackBy > .zero { return .correct(by: setBackBy) }
        if let quietUntil, now < quietUntil { return .probe }
        quietUntil = nil
        return .rescue
    }

    /// The first tick of all, when the newest change in the store was at `last`: time that has not come yet by this clock.
    mutating func begin(at now: Timestamp, after last: Timestamp?) {
        if let last, last > now { setBackBy = last.since(now) }
    }

    /// Leases were moved: from now on their workers have a full lease to renew them.
    mutating func corrected(at now: Timestamp) {
        quietUntil = now + lease
        setBackBy = .zero
    }

    /// The store failed: it could not hear heartbeats either. The full lease begins with the first tick after that; how long
    /// the store was away since the last one, nobody knows.
    mutating func failed(at now: Timestamp) {
        lastTick = nil
        quietUntil = now + lease
    }
}
