/// Something that happened to a job, in the order of `sequence`, for whoever watches or reads its history.
public struct JobEvent: Sendable, Codable, Equatable {
    /// Grows over all jobs of a store; what `Last-Event-ID` carries.
    public var sequence: Int64
    public var job: JobID
    public var at: Timestamp
    public var detail: Detail

    /// How many log lines a store keeps for one job.
    public static let logLinesMax = 2000

    public enum Detail: Sendable, Codable, Equatable {
        case state(StateChange)
        case progress(JobProgress)
        case log(LogLine)
    }

    public init(sequence: Int64, job: JobID, at: Timestamp, detail: Detail) {
        self.sequence = sequence
        self.job = job
        self.at = at
        self.detail = detail
    }
}

/// A change of a job's state and why it came.
public struct StateChange: Sendable, Codable, Equatable {
    public var state: JobState
    public var attempt: Int
    public var worker: WorkerID?
    /// A short reason in words: `submitted`, `leased`, `retry after handler_error`, `worker_lost`...
    public var reason: String
    /// When a queued job runs at the earliest, if that is not at once.
    public var runAt: Timestamp?

    public init(state: JobState, attempt: Int, worker: WorkerID? = nil, reason: String, runAt: Timestamp? = nil) {
        self.state = state
        self.attempt = attempt
        self.worker = worker
        self.reason = reason
        self.runAt = runAt
    }
}

public struct LogLine: Sendable, Codable, Equatable {
    public enum Level: String, Sendable, Codable { case debug, info, warning, error }
    public var level: Level
    public var message: String

    /// Longer messages are cut here, so that one line cannot fill the store.
    public static let messageCharactersMax = 4096

    public init(level: Level, message: String) {
        self.level = level
        self.message = message.count > Self.messageCharactersMax ? message.prefix(Self.messageCharactersMax) + "..." : message
    }
}
