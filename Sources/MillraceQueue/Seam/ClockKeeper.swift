import MillraceCore

/// What a store does when the wall clock, by which it keeps its times, was set back.
///
/// Without it everything that was due a moment ago would wait until the clock is there again: a step of an hour would
/// hold up every queued job, every retry and every webhook for an hour.
public protocol ClockKeeper: Sendable {
    /// When the newest change was, by the clock of that moment; `nil` when there was none.
    func lastChangeAt() async throws -> Timestamp?

    /// Moves what is due in the future nearer by `step`: queued jobs and retries, leases and the run limit, deliveries and
    /// claims on them, roles, and when workers were seen; rates begin anew. Jobs that were asked to run at a time keep it,
    /// and so do expiry and what has happened.
    ///
    /// Doing it twice makes things due earlier than they should be, which is harmless: a lease that ends early is renewed
    /// by the worker that holds it. Only who leads the rescue does it, so that it is also who takes no lease back for a while
    /// afterwards; its own role keeps its end.
    /// - Throws: `leadership_lost`.
    func clockWasSetBack(by step: Duration, as leader: Leadership?) async throws
}

extension ClockKeeper {
    /// For a store that only one process uses.
    public func clockWasSetBack(by step: Duration) async throws { try await clockWasSetBack(by: step, as: nil) }
}

extension Job {
    /// What the step makes of a job.
    func withClockSetBack(by step: Duration, now: Timestamp) -> Job {
        var copy = self
        // One that never ran and is due after it came was asked to run at that time.
        if state == .queued, runAt > now, leases > 0 || runAt <= createdAt { copy.runAt = runAt - step }
        if state == .running {
            copy.lease?.expiresAt = (lease?.expiresAt ?? now) - step
            copy.startedAt = startedAt.map { $0 - step }
        }
        return copy
    }
}
