import MillraceCore

/// Every change of a job's state, the first one first.
public struct JobHistory: Sendable, Codable, Equatable {
    public struct Entry: Sendable, Codable, Equatable {
        public var sequence: Int64
        public var at: Timestamp
        public var state: JobState
        public var attempt: Int
        /// Who took it, or had it.
        public var worker: WorkerID?
        /// In words: `submitted`, `leased`, `retry after handler_error`...
        public var reason: String
        /// When a queued job runs at the earliest, if that is not at once.
        public var runAt: Timestamp?

        public init(sequence: Int64, at: Timestamp, _ change: StateChange) {
            self.sequence = sequence
            self.at = at
            state = change.state
            attempt = change.attempt
            worker = change.worker
            reason = change.reason
            runAt = change.runAt
        }
    }
    public var history: [Entry]
    public init(history: [Entry]) { self.history = history }
}
