import MillraceCore

/// The JSON form of a submission: `POST /v1/endpoints/{endpoint}/jobs`.
public struct SubmitRequest: Sendable, Codable, Equatable {
    /// The input itself.
    public var input: JSONValue?
    /// Ids of blobs uploaded before through `/v1/uploads`, in place of `input`.
    public var uploads: [BlobID]?
    public var parameters: [String: JSONValue]?
    /// 0 (last) to 9 (first); 5 when absent.
    public var priority: Int?
    /// Where the webhook of the final state goes.
    public var callback: String?
    /// Seconds after which a job that no worker has taken expires.
    public var timeToLiveSeconds: Double?

    public init(
        input: JSONValue? = nil, uploads: [BlobID]? = nil, parameters: [String: JSONValue]? = nil, priority: Int? = nil,
        callback: String? = nil, timeToLiveSeconds: Double? = nil
    ) {
        self.input = input
        self.uploads = uploads
        self.parameters = parameters
        self.priority = priority
        self.callback = callback
        self.timeToLiveSeconds = timeToLiveSeconds
    }
}

/// A blob that was uploaded to be used by jobs.
public struct UploadResource: Sendable, Codable, Equatable {
    public var id: BlobID
    public var filename: String?
    public var mediaType: String
    public var bytes: Int64
    public var sha256: String
    public var createdAt: Timestamp

    public init(id: BlobID, filename: String?, mediaType: String, bytes: Int64, sha256: String, createdAt: Timestamp) {
        self.id = id
        self.filename = filename
        self.mediaType = mediaType
        self.bytes = bytes
        self.sha256 = sha256
        self.createdAt = createdAt
    }
}

public struct EndpointResource: Sendable, Codable, Equatable {
    public var name: String
    public var model: String
    public var modelVersion: String
    public var description: String?
    public var variant: String
    public var accepts: [String]
    public var parameters: [String: ParameterDeclaration]
    public var queued: Int
    public var running: Int
    public var workers: Int
    public var bytesMax: Int64
    /// Why no worker can serve it, when the last ones could not start.
    public var problem: String?

    public init(
        name: String, model: String, modelVersion: String, description: String?, variant: String, accepts: [String],
        parameters: [String: ParameterDeclaration], queued: Int, running: Int, workers: Int, bytesMax: Int64, problem: String? = nil
    ) {
        self.problem = problem
        self.name = name
        self.model = model
        self.modelVersion = modelVersion
        self.description = description
        self.variant = variant
        self.accepts = accepts
        self.parameters = parameters
        self.queued = queued
        self.running = running
        self.workers = workers
        self.bytesMax = bytesMax
    }
}

public struct EndpointList: Sendable, Codable, Equatable {
    public var endpoints: [EndpointResource]
    public init(endpoints: [EndpointResource]) { self.endpoints = endpoints }
}

public struct WorkerResource: Sendable, Codable, Equatable {
    public var id: WorkerID
    public var endpoint: String
    public var variant: String
    public var instance: String
    public var host: String
    public var processID: Int
    /// `starting` until its model is loaded, then `idle`, `busy` or `draining`.
    public var state: String
    public var jobsHeld: Int
    public var startedAt: Timestamp
    public var readyAt: Timestamp?
    public var seenAt: Timestamp

    public init(
        id: WorkerID, endpoint: String, variant: String, instance: String, host: String, processID: Int, state: String,
        jobsHeld: Int, startedAt: Timestamp, readyAt: Timestamp?, seenAt: Timestamp
    ) {
        self.id = id
        self.endpoint = endpoint
        self.variant = variant
        self.instance = instance
        self.host = host
        self.processID = processID
        self.state = state
        self.jobsHeld = jobsHeld
        self.startedAt = startedAt
        self.readyAt = readyAt
        self.seenAt = seenAt
    }
}

public struct WorkerList: Sendable, Codable, Equatable {
    public var workers: [WorkerResource]
    public init(workers: [WorkerResource]) { self.workers = workers }
}

public struct LogList: Sendable, Codable, Equatable {
    public struct Line: Sendable, Codable, Equatable {
        public var sequence: Int64
        public var at: Timestamp
        public var level: LogLine.Level
        public var message: String
        public init(sequence: Int64, at: Timestamp, level: LogLine.Level, message: String) {
            self.sequence = sequence
            self.at = at
            self.level = level
            self.message = message
        }
    }
    public var lines: [Line]
    public init(lines: [Line]) { self.lines = lines }
}
