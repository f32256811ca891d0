/// What an endpoint promises and allows; the effective values, with defaults and the model's own facts filled in.
public struct EndpointConfiguration: Sendable, Codable, Equatable {
    public var name: String
    /// The model's directory.
    public var modelDirectory: String
    public var manifest: ModelManifest
    /// SHA-256 over the model's files, lower-case hexadecimal.
    public var modelVersion: String
    public var variant = "a"
    public var limits = EndpointLimits()
    public var batching = BatchingPolicy()
    public var device = DeviceChoice.auto
    public var fleet = FleetChoice.any
    public var retry = RetryPolicy()
    public var scaling = ScalingConfiguration()
    /// Where completions are posted when a job names no callback of its own.
    public var callback: String?
    /// How long one attempt may run.
    public var runLimit: Duration = .seconds(3600)
    /// How often a long job keeps what it has finished: a later attempt repeats at most so much.
    public var checkpointInterval: Duration = .seconds(5)
    /// How long a job may wait in the queue before it expires; `nil`: for ever.
    public var timeToLive: Duration?
    /// How long a job may take in all, from its acceptance to its end; `nil`: for ever.
    public var deadline: Duration?
    /// How long finished jobs and their blobs are kept.
    public var retention: Duration = .seconds(7 * 86_400)
    /// How many finished jobs are kept; the oldest go first. `nil`: all, for as long as ``retention`` says.
    public var retentionMax: Int?
    public var quotas = EndpointQuotas()

    public init(name: String, modelDirectory: String, manifest: ModelManifest, modelVersion: String) {
        self.name = name
        self.modelDirectory = modelDirectory
        self.manifest = manifest
        self.modelVersion = modelVersion
        if let itemsMax = manifest.itemsMax { self.batching.itemsMax = itemsMax }
    }
}

public struct EndpointLimits: Sendable, Codable, Equatable {
    /// Bytes of one request, all files together.
    public var bytesMax: Int64 = 50_000_000
    public var filesMax = 64
    /// Pages of one document.
    public var pagesMax = 200
    /// Pixels of one image, width times height, as its header tells.
    public var pixelsMax: Int64 = 100_000_000
    /// Rows of one table.
    public var rowsMax = 1_000_000

    public init() {}
}

public struct BatchingPolicy: Sendable, Codable, Equatable {
    /// Items in one call of the model.
    public var itemsMax = 16
    /// What the items of one call may cost together, in the pipeline's unit; one alone may always run. `nil`: no limit.
    public var costMax: Int?
    /// How long an item waits at most for others to fill its batch.
    public var waitMax: Duration = .milliseconds(20)

    public init() {}
}
