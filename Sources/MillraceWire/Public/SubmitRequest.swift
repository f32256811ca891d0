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
    /// Seconds after which a job that no worker has taken expires, from when it may run.
    public var timeToLiveSeconds: Double?
    /// Not run before this time; one that has passed means at once.
    public var runAt: Timestamp?
    /// Not run before so many seconds have passed, in place of `runAt`.
    public var delaySeconds: Double?
    /// Seconds from the job's acceptance to its end, whatever its attempts; afterwards nothing is tried any more.
    public var deadlineSeconds: Double?

    public init(
        input: JSONValue? = nil, uploads: [BlobID]? = nil, parameters: [String: JSONValue]? = nil, priority: Int? = nil,
        callback: String? = nil, timeToLiveSeconds: Double? = nil, runAt: Timestamp? = nil, delaySeconds: Double? = nil,
        deadlineSeconds: Double? = nil
    ) {
        self.input = input
        self.uploads = uploads
        self.parameters = parameters
        self.priority = priority
        self.callback = callback
        self.timeToLiveSeconds = timeToLiveSeconds
        self.runAt = runAt
        self.delaySeconds = delaySeconds
        self.deadlineSeconds = deadlineSeconds
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
