import MillraceCore

/// A job as clients see it: in answers of the API, in webhooks, in the command line's `--json`.
public struct JobResource: Sendable, Codable, Equatable {
    public struct Output: Sendable, Codable, Equatable {
        public var name: String
        public var mediaType: String
        public var bytes: Int64
        /// Of what is in the blob store; short results are kept with their job.
        public var sha256: String?
        /// Relative to the server: `/v1/jobs/{id}/result/{name}`.
        public var url: String
    }
    public struct Input: Sendable, Codable, Equatable {
        public var name: String
        public var filename: String?
        public var mediaType: String
        public var bytes: Int64
    }
    public struct Failure: Sendable, Codable, Equatable {
        public var code: String
        public var message: String
        public var hint: String?
        public var retryable: Bool
        public var stderrTail: String?
    }
    /// All in seconds.
    public struct Timing: Sendable, Codable, Equatable {
        /// From acceptance to the start of the latest attempt.
        public var waitSeconds: Double?
        /// How long the worker took to start, when this job made it start.
        public var coldStartSeconds: Double?
        /// The last attempt, until it ended or until now.
        public var runSeconds: Double?
    }
    /// A job's share of what its endpoint's workers cost on the day on which it ended, by its own time.
    public struct Cost: Sendable, Codable, Equatable {
        public var amount: Double
        public var currency: String

        public init(amount: Double, currency: String) {
            self.amount = amount
            self.currency = currency
        }
    }
    /// Where a queued job stands.
    public struct Queue: Sendable, Codable, Equatable {
        /// Jobs that come before it if nothing else arrives.
        public var ahead: Int
        /// There may be more than `ahead`: counting ended there. Absent when it is exact.
        public var aheadIsAtLeast: Bool?
        /// When it starts if its endpoint goes on as it did; absent while nothing has been measured and while the endpoint is paused.
        public var estimatedStart: Timestamp?

        public init(ahead: Int, aheadIsAtLeast: Bool? = nil, estimatedStart: Timestamp? = nil) {
            self.ahead = ahead
            self.aheadIsAtLeast = aheadIsAtLeast
            self.estimatedStart = estimatedStart
        }
    }

    public var id: JobID
    public var endpoint: String
    public var variant: String
    public var state: JobState
    /// A queued job that has an attempt behind it and waits for the next.
    public var retrying: Bool
    public var priority: Int
    public var parameters: [String: JSONValue]
    public var inputs: [Input]
    public var attempt: Int
    public var attemptsMax: Int
    public var crashes: Int
    public var createdAt: Timestamp
    /// Of a queued job that waits for its time: when it may run.
    public var runAt: Timestamp?
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    /// Still in the queue then, it expires.
    public var expiresAt: Timestamp?
    /// The end of the whole job, whatever its attempts.
    public var deadline: Timestamp?
    public var cancelRequested: Bool
    public var worker: WorkerID?
    public var progress: JobProgress?
    public var error: Failure?
    public var outputs: [Output]
    public var callback: String?
    public var timing: Timing
    /// Of a queued job that is asked for by its id.
    public var queue: Queue?
    /// Of a job that waited for its worker to start, when it is asked for by its id.
    public var coldStart: ColdStartResource?
    /// Of a job that ended after it ran, when it is asked for by its id and its endpoint has a price. It changes until the day is over.
    public var cost: Cost?

    /// - Parameter now: what a running job's `runSeconds` counts to.
    public init(_ job: Job, now: Timestamp) {
        id = job.id
        endpoint = job.endpoint
        variant = job.variant
        state = job.state
        retrying = job.state == .queued && job.leases > 0
        priority = job.priority
        parameters = job.parameters
        inputs = job.files.map { Input(name: $0.name, filename: $0.filename, mediaType: $0.mediaType, bytes: $0.bytes) }
        attempt = job.attempt
        attemptsMax = job.retry.attemptsMax
        crashes = job.crashes
        createdAt = job.createdAt
        runAt = job.state == .queued && job.runAt > job.createdAt ? job.runAt : nil
        startedAt = job.startedAt
        finishedAt = job.finishedAt
        expiresAt = job.expiresAt
        deadline = job.deadline
        cancelRequested = job.cancelRequestedAt != nil && !job.state.isFinal
        worker = job.lease?.worker
        progress = job.progress
        error = job.failure.map {
            Failure(code: $0.code, message: $0.message, hint: $0.hint, retryable: $0.retryable, stderrTail: $0.stderrTail)
        }
        func url(_ name: String) -> String { "/v1/jobs/\(job.id)/result/\(name)" }
        outputs = job.inlineOutputs.map {
            Output(name: $0.name, mediaType: $0.mediaType, bytes: Int64($0.text.utf8.count), sha256: nil, url: url($0.name))
        } + job.outputs.map {
            Output(name: $0.name, mediaType: $0.mediaType, bytes: $0.bytes, sha256: $0.sha256, url: url($0.name))
        }
        callback = job.callback
        timing = Timing(
            waitSeconds: job.startedAt.map { $0.since(job.createdAt).seconds },
            coldStartSeconds: job.coldStart?.seconds,
            runSeconds: job.startedAt.map { (job.finishedAt ?? now).since($0).seconds })
    }
}

public struct JobList: Sendable, Codable, Equatable {
    public var jobs: [JobResource]
    /// Give it as `cursor` to get the next page; absent on the last one.
    public var nextCursor: String?

    public init(jobs: [JobResource], nextCursor: String?) {
        self.jobs = jobs
        self.nextCursor = nextCursor
    }
}
