/// Where a job stands. The transitions are drawn in `docs/architecture/job-states.md` and guarded by every store.
public enum JobState: String, Sendable, Codable, CaseIterable {
    /// Waiting for a worker; with `runAt` in the future and an attempt behind it, people see *retrying*.
    case queued
    /// Leased by one worker.
    case running
    case succeeded
    /// Ended without a result. With its attempts used up it stands in the dead-letter list.
    case failed
    case cancelled
    /// Its time to live passed before a worker took it.
    case expired

    /// Whether the job has ended. Only a retry by a person leads out of a final state.
    public var isFinal: Bool { self != .queued && self != .running }
}
