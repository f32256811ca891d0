import MillraceCore

/// A broken promise.
public struct Violation: Error, Sendable, Equatable {
    public enum Promise: String, Sendable, Codable, CaseIterable {
        /// An accepted job is not there any more, or does not end as it must.
        case lost
        /// Two results, or two webhook ids, for one end of a job.
        case doubled
        /// A job that has not ended long after all faults were over.
        case stuck
        /// The write of one who does not hold the lease was taken.
        case fence
        /// A lease was taken from a worker that had kept it, or given before its time or past it.
        case lease
        /// A state, a counter or an event is not what the drawn transitions allow.
        case transition
        /// A tenant's due job was passed over, or a lower priority went first.
        case fairness
        /// More run, or were let in, than a quota allows; or fewer.
        case quota
        /// Work was handed out by a paused endpoint, or taken in by one that drains.
        case mode
        /// Two lead at the same time, or a write counted whose epoch was over.
        case leadership
        /// One key, two jobs.
        case idempotency
        /// A blob that is needed was collected.
        case blob
        /// A webhook that should have been told was not, or not in the way it must.
        case webhook
        /// The store answered what it must not, or failed by itself.
        case store
    }

    public var promise: Promise
    public var job: JobID?
    public var what: String

    init(_ promise: Promise, _ job: JobID? = nil, _ what: String) {
        self.promise = promise
        self.job = job
        self.what = what
    }
}
