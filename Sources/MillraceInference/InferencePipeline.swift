import MillraceCore

/// Turns a job's inputs into items and the items' outcomes into the job's outputs.
public protocol InferencePipeline: Sendable {
    /// Opens a job. Only cheap checks belong here; decoding belongs into ``PipelineTask/next()``.
    /// - Throws: ``JobFailure`` when the job cannot be run as given.
    func open(_ job: PipelineJob) async throws -> any PipelineTask
    /// Whether making items and outputs keeps a core busy, so that it needs threads of its own and a limit. True unless said.
    var decodes: Bool { get }
    /// Whether tasks write files, so that each job needs a folder of its own. To make one and take it away again is 4 % of a photo's
    /// time. False unless said.
    var writesFiles: Bool { get }
    /// What an item takes of a batch, in the pipeline's own unit, which `batching.costMax` counts. 1 unless said: each item is like the others.
    func cost(of payload: InferenceItem.Payload) -> Int
    /// Loads what only some job would otherwise load, such as decoders. Runs beside the first jobs. Nothing unless said.
    func prepare() async
}

extension InferencePipeline {
    public var decodes: Bool { true }
    public var writesFiles: Bool { false }
    public func cost(of payload: InferenceItem.Payload) -> Int { 1 }
    public func prepare() async {}
}

/// One job on its way through a pipeline. Used by one task at a time.
///
/// A task whose input is damaged in one place may still have good items: it decides in ``finish()`` what that means
/// for the job.
public protocol PipelineTask: AnyObject, Sendable {
    /// The number of items, once known.
    var itemsTotal: Int? { get }
    /// What people call the items: `rows`, `pages`, `images`.
    var unit: String { get }
    /// Waits for what ``next()`` needs and others may hold, such as memory. Called before each ``next()``, and where nobody waits for
    /// this task: whoever holds it may need a turn to decode or compute before it gives it back. Nothing unless said.
    /// - Throws: `CancellationError` when the task is cancelled while it waits.
    func prepareNext() async throws
    /// Decodes and returns the next item, `nil` after the last.
    /// - Throws: ``JobFailure``, which ends the job.
    func next() async throws -> InferenceItem.Payload?
    /// Takes the outcome of the item that ``next()`` gave as number `index`, from 0; in any order, each once.
    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws
    /// The job's outputs, the primary one first, after every item was accepted.
    func finish() async throws -> [PipelineOutput]
}

extension PipelineTask {
    public func prepareNext() async throws {}
}

/// What a pipeline is given of a job: the files are local and their types are what the gateway sniffed.
public struct PipelineJob: Sendable {
    public var request: HandlerRequest
    public var limits: EndpointLimits

    public init(request: HandlerRequest, limits: EndpointLimits) {
        self.request = request
        self.limits = limits
    }
}

public struct PipelineOutput: Sendable {
    public indirect enum Content: Sendable {
        case bytes([UInt8])
        /// A file in the job's work directory.
        case file(path: String)
        /// One after the other.
        case joined([Content])
    }
    public var name: String
    public var mediaType: String
    public var content: Content

    public init(name: String, mediaType: String, content: Content) {
        self.name = name
        self.mediaType = mediaType
        self.content = content
    }
}

extension InferenceItem.Payload {
    /// The values of all tensors; 1 for a whole job.
    public var valueCount: Int {
        switch self {
        case .tensors(let tensors): tensors.values.reduce(0) { $0 + $1.count }
        case .request: 1
        }
    }
}
