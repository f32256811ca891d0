import MillraceCore

// What a worker and the gateway say to each other: JSON over HTTP, on a Unix socket or with a worker key.
// Every request is safe to repeat: a worker that lost an answer asks again.

/// `POST /v1/worker/register`. A repeat with the same id updates the record.
public struct RegisterRequest: Sendable, Codable, Equatable {
    public var worker: WorkerID
    public var endpoint: String
    public var variant: String
    public var instance: String
    public var host: String
    public var processID: Int
    public var startedAt: Timestamp
    /// When this was said by the worker's clock, which may be another than the gateway's. Absent: it is taken for the same.
    public var sentAt: Timestamp?

    public init(
        worker: WorkerID, endpoint: String, variant: String, instance: String, host: String, processID: Int, startedAt: Timestamp,
        sentAt: Timestamp? = nil
    ) {
        self.sentAt = sentAt
        self.worker = worker
        self.endpoint = endpoint
        self.variant = variant
        self.instance = instance
        self.host = host
        self.processID = processID
        self.startedAt = startedAt
    }
}

public struct RegisterResponse: Sendable, Codable, Equatable {
    public var configuration: EndpointConfiguration
    /// How long a lease lasts without a heartbeat.
    public var leaseSeconds: Double
    public var heartbeatSeconds: Double
    /// The gateway's time at the answer: by its clock a worker tells when it was what. Absent: it is taken for the worker's own.
    public var now: Timestamp?

    public init(configuration: EndpointConfiguration, leaseSeconds: Double, heartbeatSeconds: Double, now: Timestamp? = nil) {
        self.now = now
        self.configuration = configuration
        self.leaseSeconds = leaseSeconds
        self.heartbeatSeconds = heartbeatSeconds
    }
}

/// `POST /v1/worker/lease`: waits up to `waitSeconds` for work; with `reports`, only a moment.
public struct LeaseRequest: Sendable, Codable, Equatable {
    public var worker: WorkerID
    public var jobsMax: Int
    public var waitSeconds: Double
    /// The leases the worker holds. Any other that the store has for it was granted in an answer that got lost, and is given back.
    public var held: [LeaseToken]
    /// Rises with each request that the worker makes, repetitions too: one that arrives late or twice gets nothing, and gives
    /// nothing back. Absent: the worker does not count.
    public var request: Int64?
    /// How attempts ended, as in ``SettleRequest``: short jobs are reported on the way to the next ones. Absent: none did.
    public var reports: [SettleRequest.Item]?

    public init(
        worker: WorkerID, jobsMax: Int, waitSeconds: Double, held: [LeaseToken], request: Int64? = nil, reports: [SettleRequest.Item]? = nil
    ) {
        self.held = held
        self.request = request
        self.reports = reports
        self.worker = worker
        self.jobsMax = jobsMax
        self.waitSeconds = waitSeconds
    }
}

public struct LeaseResponse: Sendable, Codable, Equatable {
    public var jobs: [LeasedJob]
    /// The worker gets no more work: finish, say goodbye, exit.
    public var draining: Bool
    /// One for each report of the request. Absent: they were not kept, and are to be told again.
    public var verdicts: [HeartbeatResponse.Verdict]?

    public init(jobs: [LeasedJob], draining: Bool, verdicts: [HeartbeatResponse.Verdict]? = nil) {
        self.jobs = jobs
        self.draining = draining
        self.verdicts = verdicts
    }
}

public struct LeasedJob: Sendable, Codable, Equatable {
    public struct File: Sendable, Codable, Equatable {
        public var file: JobFile
        public var access: BlobAccessGrant
        public init(file: JobFile, access: BlobAccessGrant) {
            self.file = file
            self.access = access
        }
    }
    public struct Checkpoint: Sendable, Codable, Equatable {
        public var file: File?
        public var position: JSONValue
        /// In order; see ``JobCheckpoint/segments``.
        public var segments: [File]
        public init(file: File?, position: JSONValue, segments: [File] = []) {
            self.file = file
            self.position = position
            self.segments = segments
        }
    }
    public var id: JobID
    public var token: LeaseToken
    public var attempt: Int
    /// Workers that died in this job. Absent: none. One that has crashed runs alone.
    public var crashes: Int?
    public var createdAt: Timestamp
    /// An object; absent: there are none.
    public var parameters: RawJSON?
    public var input: RawJSON?
    public var files: [File]
    public var checkpoint: Checkpoint?
    public var traceparent: String?

    public init(
        id: JobID, token: LeaseToken, attempt: Int, crashes: Int? = nil, createdAt: Timestamp, parameters: RawJSON?, input: RawJSON?, files: [File],
        checkpoint: Checkpoint?, traceparent: String?
    ) {
        self.id = id
        self.token = token
        self.attempt = attempt
        self.crashes = crashes
        self.createdAt = createdAt
        self.parameters = parameters
        self.input = input
        self.files = files
        self.checkpoint = checkpoint
        self.traceparent = traceparent
    }
}

/// How a worker reaches a blob: exactly one of the two is there.
public struct BlobAccessGrant: Sendable, Codable, Equatable {
    public var path: String?
    public var url: String?

    public init(path: String? = nil, url: String? = nil) {
        self.path = path
        self.url = url
    }
}

/// `POST /v1/worker/heartbeat`: renews many leases at once and carries what happened meanwhile.
public struct HeartbeatRequest: Sendable, Codable, Equatable {
    public struct Item: Sendable, Codable, Equatable {
        public var job: JobID
        public var token: LeaseToken
        public var progress: JobProgress?
        public var logs: [LogLine]
        public var checkpoint: JobCheckpoint?
        public init(job: JobID, token: LeaseToken, progress: JobProgress? = nil, logs: [LogLine] = [], checkpoint: JobCheckpoint? = nil) {
            self.job = job
            self.token = token
            self.progress = progress
            self.logs = logs
            self.checkpoint = checkpoint
        }
    }
    public var worker: WorkerID
    /// When the model was loaded, once it is; by the gateway's clock.
    public var readyAt: Timestamp?
    /// How the worker started, until it was heard once; by the gateway's clock.
    public var start: ColdStart.Marks?
    public var items: [Item]

    public init(worker: WorkerID, readyAt: Timestamp?, start: ColdStart.Marks? = nil, items: [Item]) {
        self.start = start
        self.worker = worker
        self.readyAt = readyAt
        self.items = items
    }
}

public struct HeartbeatResponse: Sendable, Codable, Equatable {
    /// In the order of the request's items.
    public var verdicts: [Verdict]
    public var draining: Bool

    /// The wire's word for what a store says to a renewal.
    public enum Verdict: String, Sendable, Codable, Equatable { case held, cancel, timeout, lost }

    public init(verdicts: [Verdict], draining: Bool) {
        self.verdicts = verdicts
        self.draining = draining
    }
}

/// `POST /v1/worker/blobs`: asks for a place to write an output or a checkpoint of a leased job.
public struct BlobReservationRequest: Sendable, Codable, Equatable {
    public var worker: WorkerID
    public var job: JobID
    public var token: LeaseToken

    public init(worker: WorkerID, job: JobID, token: LeaseToken) {
        self.worker = worker
        self.job = job
        self.token = token
    }
}

public struct BlobReservationResponse: Sendable, Codable, Equatable {
    public var blob: BlobID
    public var access: BlobAccessGrant
    public init(blob: BlobID, access: BlobAccessGrant) {
        self.blob = blob
        self.access = access
    }
}

/// `POST /v1/worker/deregister`.
public struct DeregisterRequest: Sendable, Codable, Equatable {
    public var worker: WorkerID
    public init(worker: WorkerID) { self.worker = worker }
}
