import MillraceCore

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
