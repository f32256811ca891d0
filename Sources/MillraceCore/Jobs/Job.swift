/// One accepted request: what is asked, where it stands, what came of it.
public struct Job: Sendable, Codable, Equatable, Identifiable {
    public var id: JobID
    public var tenant: String
    public var endpoint: String
    public var variant: String
    public var state: JobState = .queued
    /// 0 (last) to 9 (first).
    public var priority: Int
    public var parameters: [String: JSONValue]
    /// JSON given in the request itself, `nil` when the input came as files.
    public var input: RawJSON?
    public var files: [JobFile]
    public var callback: String?
    public var retry: RetryPolicy
    /// How long one attempt may run.
    public var runLimit: Duration
    public var traceparent: String?

    public var createdAt: Timestamp
    /// Not leased before this time.
    public var runAt: Timestamp
    /// In the queue after this time, the job expires.
    public var expiresAt: Timestamp?
    /// The end of the whole job, whatever its attempts: afterwards nothing is tried any more.
    public var deadline: Timestamp?
    /// When the current or last attempt began.
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    public var cancelRequestedAt: Timestamp?

    /// Attempts that began, less those that were given back (drain) or crashed.
    public var attempt = 0
    /// Attempts whose worker died.
    public var crashes = 0
    /// Total number of leases ever taken; only grows, for people who ask how often the model really ran.
    public var leases = 0
    public var lease: Lease?
    @RareValue public var progress: JobProgress?
    @RareValue public var checkpoint: JobCheckpoint?
    public var outputs: [JobFile] = []
    /// Short results, kept with the job.
    public var inlineOutputs: [InlineOutput] = []
    @RareValue public var failure: JobFailure?
    /// How long the last attempt's worker took to start, when it was started for work that waited; `nil`: it was warm.
    public var coldStart: Duration?

    public init(
        id: JobID, tenant: String, endpoint: String, variant: String = "a", priority: Int = 5,
        parameters: [String: JSONValue] = [:], input: RawJSON? = nil, files: [JobFile] = [],
        callback: String? = nil, retry: RetryPolicy = .init(), runLimit: Duration = .seconds(3600),
        traceparent: String? = nil, createdAt: Timestamp, runAt: Timestamp? = nil, expiresAt: Timestamp? = nil,
        deadline: Timestamp? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.endpoint = endpoint
        self.variant = variant
        self.priority = priority
        self.parameters = parameters
        self.input = input
        self.files = files
        self.callback = callback
        self.retry = retry
        self.runLimit = runLimit
        self.traceparent = traceparent
        self.createdAt = createdAt
        self.runAt = runAt ?? createdAt
        self.expiresAt = expiresAt
        self.deadline = deadline
    }
}

/// A worker's time-limited right to an attempt.
public struct Lease: Sendable, Codable, Equatable {
    public var token: LeaseToken
    public var worker: WorkerID
    public var expiresAt: Timestamp

    public init(token: LeaseToken, worker: WorkerID, expiresAt: Timestamp) {
        self.token = token
        self.worker = worker
        self.expiresAt = expiresAt
    }
}

/// A file of a job, input or output: a blob and the name it has for people.
public struct JobFile: Sendable, Codable, Equatable {
    /// Unique among the job's outputs; for inputs the form field's name.
    public var name: String
    /// What the client called it. For display only: never part of a path.
    public var filename: String?
    public var blob: BlobID
    public var mediaType: String
    public var bytes: Int64
    /// Lower-case hexadecimal.
    public var sha256: String

    public init(name: String, filename: String? = nil, blob: BlobID, mediaType: String, bytes: Int64, sha256: String) {
        self.name = name
        self.filename = filename
        self.blob = blob
        self.mediaType = mediaType
        self.bytes = bytes
        self.sha256 = sha256
    }
}

public struct JobProgress: Sendable, Codable, Equatable {
    public var done: Double
    public var total: Double?
    /// What is counted: `pages`, `rows`, `epochs`.
    public var unit: String?
    public var message: String?
    public var metrics: [String: Double]?

    public init(done: Double, total: Double? = nil, unit: String? = nil, message: String? = nil, metrics: [String: Double]? = nil) {
        self.done = done
        self.total = total
        self.unit = unit
        self.message = message
        self.metrics = metrics
    }
}

/// From where a later attempt goes on: what is stored already, and a position whose meaning belongs to whoever set it.
public struct JobCheckpoint: Sendable, Codable, Equatable {
    /// A handler's own file; `nil` where the segments say all.
    public var file: JobFile?
    public var position: JSONValue
    /// The finished beginnings of outputs, in order, those of one output under its name. A segment never changes.
    public var segments: [JobFile]

    public init(file: JobFile? = nil, position: JSONValue, segments: [JobFile] = []) {
        self.file = file
        self.position = position
        self.segments = segments
    }

    /// Everything that must stay as long as the checkpoint does.
    public var files: [JobFile] { [file].compactMap(\.self) + segments }

    // Rows from before there were segments have none.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        file = try container.decodeIfPresent(JobFile.self, forKey: .file)
        position = try container.decode(JSONValue.self, forKey: .position)
        segments = try container.decodeIfPresent([JobFile].self, forKey: .segments) ?? []
    }
}

/// Why an attempt, or in the end a job, failed.
public struct JobFailure: Error, Sendable, Codable, Equatable {
    public var code: String
    public var message: String
    public var hint: String?
    /// Whether another attempt could end differently.
    public var retryable: Bool
    /// How long the handler asks to wait before the next attempt; overrides the backoff.
    public var retryAfter: Duration?
    /// The end of the worker's or handler's standard error, when it died.
    public var stderrTail: String?

    public init(
        code: String, message: String, hint: String? = nil, retryable: Bool, retryAfter: Duration? = nil,
        stderrTail: String? = nil
    ) {
        self.code = code
        self.message = message
        self.hint = hint
        self.retryable = retryable
        self.retryAfter = retryAfter
        self.stderrTail = stderrTail
    }

    public init(_ code: ErrorCode, _ message: String, hint: String? = nil, retryable: Bool = false) {
        self.init(code: code.rawValue, message: message, hint: hint, retryable: retryable)
    }

    public init(_ error: MillraceError, retryable: Bool = false) {
        self.init(error.code, error.message, hint: error.hint, retryable: retryable)
    }
}

extension JobFailure: CustomStringConvertible {
    /// The message, and the last line of what the program said when it died.
    public var description: String {
        let last = stderrTail?.split(whereSeparator: \.isNewline).last
        return message + (last.map { ": \($0)" } ?? "") + " (\(code))"
    }
}
