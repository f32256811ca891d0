import MillraceCore

/// How soon another item is likely to come, learnt from those that came. A value that is told the time.
///
/// The time between arrivals is an exponentially weighted mean. Only an arrival that finds other items waiting or running
/// counts as what it is: one that finds nothing may have been sent because the one before was answered, and would not have
/// come any sooner for being waited for. It counts as a gap that no wait is long enough for; after a long silence, all that was
/// learnt before is forgotten.
struct ArrivalEstimate: Sendable {
    /// Of the newest gap in the mean: a change of pace is learnt within about ten arrivals.
    private static let weight = 0.125
    /// A silence of so many gaps is the end of the stream; of arrivals at random, 2 % take longer.
    private static let gapsOfSilence = 4.0

    private let waitMax: Duration
    /// Milliseconds, between 1 and four times the longest wait.
    private var gap: Double
    private var last: Timestamp?
    /// Milliseconds from the beginning of an item's preparation to its end; `nil` until one was seen.
    private var preparation: Double?

    init(waitMax: Duration) {
        self.waitMax = waitMax
        gap = Double(waitMax.milliseconds) * 4
    }

    /// An item came. Those of one moment are one arrival.
    mutating func noteArrival(at now: Timestamp, foundNothing: Bool) {
        guard last != now else { return }
        let longest = Double(waitMax.milliseconds) * 4
        let silence = last.map { Double(now.since($0).milliseconds) } ?? longest
        if foundNothing, silence >= longest {
            gap = longest
        } else {
            let latest = foundNothing ? longest : min(max(silence, 1), longest)
            gap += (latest - gap) * Self.weight
        }
        last = now
    }

    mutating func notePreparation(took duration: Duration) {
        let latest = Double(max(0, duration.milliseconds))
        preparation = preparation.map { $0 + (latest - $0) * Self.weight } ?? latest
    }

    /// Until when it is worth to wait for another item; `nil`: it is not.
    ///
    /// - Parameters:
    ///   - oldest: When the item came that has waited longest.
    ///   - preparing: Items that are being made now: each is an arrival that is known of.
    func patience(since oldest: Timestamp, preparing: Int, at now: Timestamp) -> Timestamp? {
        let due = oldest + waitMax
        // A clock that was set back must not hold anything up.
        guard oldest <= now, now < due else { return nil }
        if preparing > 0, (preparation ?? 0) / Double(preparing) <= Double(waitMax.milliseconds) { return due }
        guard let last, last + .milliseconds(Int64(gap.rounded(.up))) <= due else { return nil }
        let silence = last + .milliseconds(Int64((gap * Self.gapsOfSilence).rounded(.up)))
        return now < silence ? min(due, silence) : nil
    }
}
