import MillraceCore

// From the runner to its handler.

/// What a runner says on the control channel.
public enum RunnerControlMessage: Sendable, Equatable {
    case checkpointed(Checkpointed)
    /// Stop the item soon.
    case cancel(Cancel)
    /// Answered from a thread that is never busy with the model.
    case ping(Ping)
    /// Finish nothing more and exit with status 0.
    case shutdown(Shutdown)

    public struct Checkpointed: Sendable, Codable, Equatable {
        public var item: HandlerProtocol.Item
        public var seq: Int64
        /// Whether the file is durable and a later attempt starts from it.
        public var ok: Bool
        /// Why not.
        public var message: String?
        public init(item: HandlerProtocol.Item, seq: Int64, ok: Bool, message: String? = nil) {
            self.item = item
            self.seq = seq
            self.ok = ok
            self.message = message
        }
    }
    public struct Cancel: Sendable, Codable, Equatable {
        public enum Reason: String, Sendable, Codable, Equatable {
            case cancelled
            /// The lease is lost: somebody else runs the job.
            case lost
            /// The worker goes away; a last checkpoint may be written first.
            case draining
            case timeout
        }
        public var item: HandlerProtocol.Item
        public var reason: Reason
        public init(item: HandlerProtocol.Item, reason: Reason) {
            self.item = item
            self.reason = reason
        }
    }
    public struct Ping: Sendable, Codable, Equatable {
        public var seq: Int64
        /// A batch whose answers have all been taken: the memory of their tensors may go.
        public var batch: Int64?
        public init(seq: Int64, batch: Int64? = nil) {
            self.seq = seq
            self.batch = batch
        }
    }
    public struct Shutdown: Sendable, Codable, Equatable {
        public init() {}
    }
}

/// What a runner says on the work channel.
public enum RunnerWorkMessage: Sendable, Equatable {
    case run(Run)

    public struct Run: Sendable, Codable, Equatable {
        public var batch: Int64
        public var items: [Item]
        public init(batch: Int64, items: [Item]) {
            self.batch = batch
            self.items = items
        }
    }

    /// A job as its handler sees it.
    public struct Item: Sendable, Codable, Equatable {
        public struct File: Sendable, Codable, Equatable {
            public var name: String
            public var filename: String?
            public var path: String
            public var mediaType: String
            public var bytes: Int64
            /// The file as a decoded image, `uint8 [height, width, 3]`; absent unless the model asks for it.
            public var image: HandlerTensor?
            public init(
                name: String, filename: String?, path: String, mediaType: String, bytes: Int64, image: HandlerTensor? = nil
            ) {
                self.name = name
                self.filename = filename
                self.path = path
                self.mediaType = mediaType
                self.bytes = bytes
                self.image = image
            }
        }
        public struct Checkpoint: Sendable, Codable, Equatable {
            public var path: String
            public var position: JSONValue
            public init(path: String, position: JSONValue) {
                self.path = path
                self.position = position
            }
        }
        public var item: HandlerProtocol.Item
        public var job: JobID
        public var endpoint: String
        public var attempt: Int
        public var parameters: [String: JSONValue]
        public var input: JSONValue?
        public var files: [File]
        /// Empty, for this item alone, deleted afterwards.
        public var workdir: String
        public var checkpoint: Checkpoint?

        public init(
            item: HandlerProtocol.Item, job: JobID, endpoint: String, attempt: Int, parameters: [String: JSONValue],
            input: JSONValue?, files: [File], workdir: String, checkpoint: Checkpoint?
        ) {
            self.item = item
            self.job = job
            self.endpoint = endpoint
            self.attempt = attempt
            self.parameters = parameters
            self.input = input
            self.files = files
            self.workdir = workdir
            self.checkpoint = checkpoint
        }
    }
}

extension RunnerWorkMessage.Item {
    private enum Key: String, CodingKey {
        case item, job, endpoint, attempt, parameters, input, files, workdir, checkpoint
    }

    /// By hand, because the specification has `input` and `checkpoint` present and null where others leave them out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(item, forKey: .item)
        try container.encode(job, forKey: .job)
        try container.encode(endpoint, forKey: .endpoint)
        try container.encode(attempt, forKey: .attempt)
        try container.encode(parameters, forKey: .parameters)
        try container.encode(input, forKey: .input)
        try container.encode(files, forKey: .files)
        try container.encode(workdir, forKey: .workdir)
        try container.encode(checkpoint, forKey: .checkpoint)
    }
}
