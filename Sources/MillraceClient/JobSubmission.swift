import MillraceCore
import MillraceWire

/// What a job is made of: files from disk, JSON, or both, and how it is to be treated.
public struct JobSubmission: Sendable {
    /// A file on this machine.
    public struct File: Sendable, ExpressibleByStringLiteral {
        public var path: String
        /// The form field's name.
        public var name: String
        /// What the server is told the file is called; `nil`: the path's last component.
        public var filename: String?

        public init(path: String, name: String = "file", filename: String? = nil) {
            self.path = path
            self.name = name
            self.filename = filename
        }

        public init(stringLiteral path: String) {
            self.init(path: path)
        }
    }

    public var input: JSONValue?
    public var files: [File]
    /// A value may be text where the endpoint declares another type: `"3"` becomes 3.
    public var parameters: [String: JSONValue]
    /// 0 (last) to 9 (first); `nil`: 5.
    public var priority: Int?
    /// Where the webhook of the final state goes.
    public var callback: String?
    /// After which a job that no worker has taken expires, from when it may run.
    public var timeToLive: Duration?
    /// Not run before this time.
    public var runAt: Timestamp?
    /// Not run before so much time has passed since its acceptance, in place of `runAt`.
    public var delay: Duration?
    /// From acceptance to the end of the whole job, whatever its attempts.
    public var deadline: Duration?
    /// Two submissions with one key are one job. `nil`: a new key, so that only tries of this one call are one.
    public var idempotencyKey: String?

    public init(
        input: JSONValue? = nil, files: [File] = [], parameters: [String: JSONValue] = [:], priority: Int? = nil,
        callback: String? = nil, timeToLive: Duration? = nil, runAt: Timestamp? = nil, delay: Duration? = nil,
        deadline: Duration? = nil, idempotencyKey: String? = nil
    ) {
        self.input = input
        self.files = files
        self.parameters = parameters
        self.priority = priority
        self.callback = callback
        self.timeToLive = timeToLive
        self.runAt = runAt
        self.delay = delay
        self.deadline = deadline
        self.idempotencyKey = idempotencyKey
    }

    var request: SubmitRequest {
        SubmitRequest(
            input: input, parameters: parameters.isEmpty ? nil : parameters, priority: priority, callback: callback,
            timeToLiveSeconds: timeToLive?.seconds, runAt: runAt, delaySeconds: delay?.seconds, deadlineSeconds: deadline?.seconds)
    }
}

/// How far an upload is, in bytes of the whole request.
public struct UploadProgress: Sendable, Equatable {
    public var sent: Int64
    public var total: Int64

    public init(sent: Int64, total: Int64) {
        self.sent = sent
        self.total = total
    }
}

public typealias UploadObserver = @Sendable (UploadProgress) -> Void
