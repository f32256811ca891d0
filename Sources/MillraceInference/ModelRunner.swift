import MillraceCore

/// What runs a model: ONNX Runtime, a handler process, a model server.
///
/// A runner is loaded once, runs one batch at a time, unless it says that it has room for another, and is closed once. It knows nothing of jobs, queues or leases.
public protocol ModelRunner: Sendable {
    /// Loads the model; afterwards ``run(_:observer:)`` may be called.
    func load() async throws
    /// Runs one batch and answers for every item, in the batch's order.
    ///
    /// An error that is not one item's own is thrown; the caller then runs the items again in halves to find the bad
    /// one. ``BatchFailure/outOfMemory`` halves the batch for good.
    func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome]
    /// Asks the runner to stop an item that is in a running batch. A runner whose batches take no time may do nothing.
    func cancel(_ item: ItemID, reason: CancellationReason) async
    func close() async
    /// Names, shapes and types of what the model takes and gives, where the runner knows them.
    var signature: ModelSignature? { get }
    /// What an operator should know about how the loaded model is run. Nothing unless said.
    var remarks: [String] { get }
}

extension ModelRunner {
    public var remarks: [String] { [] }
}

/// An item's number within one worker process.
public typealias ItemID = Int64

public enum CancellationReason: String, Sendable, Codable { case cancelled, lost, draining, timeout }

/// A part of one job that the model sees as one example.
public struct InferenceItem: Sendable {
    public enum Payload: Sendable {
        /// One example without its batch axis, by input name.
        case tensors([String: Tensor])
        /// A whole job for a handler process or a model server.
        case request(HandlerRequest)
    }
    public var id: ItemID
    public var payload: Payload
    /// What the item takes of a batch, in its pipeline's unit (``InferencePipeline/cost(of:)``); at least 1.
    public var cost: Int

    public init(id: ItemID, payload: Payload, cost: Int = 1) {
        self.id = id
        self.payload = payload
        self.cost = max(1, cost)
    }
}

public enum ItemOutcome: Sendable {
    /// The model's outputs for this example, without the batch axis, by output name.
    case tensors([String: Tensor])
    case reply(HandlerReply)
    case failed(JobFailure)
    /// The item stopped because it was asked to.
    case cancelled
}

/// Hears of items while their batch runs.
public protocol ItemObserver: Sendable {
    /// The runner turns to these items now. Each is told of, be it once or, after a failure, again: a job that ran into its
    /// limit before any item of its began is not blamed.
    func began(_ items: [ItemID])
    /// An item has its outcome before the others of its batch: nobody needs to wait for them. The runner answers for it at
    /// the end all the same, and that is dropped.
    func ended(_ item: ItemID, _ outcome: ItemOutcome)
    /// What runs leaves a part of the device free: another batch may be given to the runner before this one's end.
    func hasRoom()
    /// Whether items wait, or are being made, that may be the next batch.
    var expectsMore: Bool { get }
    func progress(_ progress: JobProgress, of item: ItemID)
    func log(_ line: LogLine, of item: ItemID?)
    /// Returns when the checkpoint is durable; throws when the lease is lost.
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws
}

extension ItemObserver {
    public func began(_ items: [ItemID]) {}
    public func ended(_ item: ItemID, _ outcome: ItemOutcome) {}
    public func hasRoom() {}
    public var expectsMore: Bool { false }
}

/// A job as a handler process or a model server sees it.
public struct HandlerRequest: Sendable, Equatable {
    public struct File: Sendable, Codable, Equatable {
        public var name: String
        public var filename: String?
        public var path: String
        public var mediaType: String
        public var bytes: Int64

        public init(name: String, filename: String?, path: String, mediaType: String, bytes: Int64) {
            self.name = name
            self.filename = filename
            self.path = path
            self.mediaType = mediaType
            self.bytes = bytes
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
    public var job: JobID
    public var endpoint: String
    public var attempt: Int
    /// An object, as it came; `nil`: there are none.
    public var parametersText: RawJSON?
    /// The input as it came.
    public var inputText: RawJSON?
    public var files: [File]
    /// The files as decoded images, `uint8 [height, width, 3]` (red, green, blue), in the order of ``files``; empty: not decoded.
    /// The memory is there as long as the request is.
    public var images: [SharedTensor] = []
    /// An empty directory for this item alone; an empty name where the model has no use for one.
    public var workdir: String
    public var checkpoint: Checkpoint?

    public init(
        job: JobID, endpoint: String, attempt: Int, parametersText: RawJSON?, inputText: RawJSON?,
        files: [File], workdir: String, checkpoint: Checkpoint?
    ) {
        self.job = job
        self.endpoint = endpoint
        self.attempt = attempt
        self.parametersText = parametersText
        self.inputText = inputText
        self.files = files
        self.workdir = workdir
        self.checkpoint = checkpoint
    }
}

extension HandlerRequest {
    public init(
        job: JobID, endpoint: String, attempt: Int, parameters: [String: JSONValue], input: JSONValue?,
        files: [File], workdir: String, checkpoint: Checkpoint?
    ) {
        self.init(
            job: job, endpoint: endpoint, attempt: attempt, parametersText: parameters.isEmpty ? nil : RawJSON(.object(parameters)),
            inputText: input.map { RawJSON($0) }, files: files, workdir: workdir, checkpoint: checkpoint)
    }

    /// Parsed at each call.
    public var parameters: [String: JSONValue] { parametersText?.value.objectValue ?? [:] }
    /// Parsed at each call.
    public var input: JSONValue? { inputText?.value }
}

/// What a handler made of a job: a JSON value, files under the work directory, or both.
public struct HandlerReply: Sendable, Equatable {
    public struct File: Sendable, Codable, Equatable {
        public var name: String
        public var path: String
        public var mediaType: String

        public init(name: String, path: String, mediaType: String) {
            self.name = name
            self.path = path
            self.mediaType = mediaType
        }
    }
    /// The JSON value as text.
    public var jsonText: RawJSON?
    public var outputs: [File]

    public init(jsonText: RawJSON?, outputs: [File]) {
        self.jsonText = jsonText
        self.outputs = outputs
    }

    public init(json: JSONValue?, outputs: [File]) {
        self.init(jsonText: json.map { RawJSON($0) }, outputs: outputs)
    }

    /// Parsed at each call.
    public var json: JSONValue? { jsonText?.value }
}

/// A batch that failed as a whole.
public enum BatchFailure: Error, Sendable, Equatable {
    /// The device had no room; fewer items may fit.
    case outOfMemory(String)
    /// The batch failed and does not say for which item.
    case unattributed(JobFailure)
    /// The runner itself died under the batch (a handler's exit). It has been restarted or can be loaded again.
    case runnerLost(JobFailure)
}
