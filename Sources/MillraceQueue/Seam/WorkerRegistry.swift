import MillraceCore

/// The workers that are known, living until they say goodbye or stop sending heartbeats.
public protocol WorkerRegistry: Sendable {
    /// Makes a worker known. A repetition renews its record; a draining worker stays one, and its requests for work go on being
    /// counted from where they were, unless it is another process (its `startedAt` differs).
    func register(_ worker: WorkerRecord) async throws
    /// Says that the worker lives.
    /// - Returns: whether it is draining.
    /// - Throws: `worker_unknown`.
    func touch(_ worker: WorkerID, readyAt: Timestamp?) async throws -> Bool
    /// Marks workers as draining; from then on `lease` gives them nothing.
    /// - Throws: `leadership_lost`.
    func drain(_ workers: [WorkerID], by leader: Leadership?) async throws
    /// Marks workers as draining and gives what they hold back at once, uncounted: they will be taken away. Their next words find their
    /// leases lost. Needs no leader: that a worker goes is a fact, and saying it twice changes nothing.
    func recall(_ workers: [WorkerID]) async throws
    /// Removes a worker that says goodbye. What it still holds is given back, uncounted.
    func deregister(_ worker: WorkerID) async throws
    func workers() async throws -> [WorkerRecord]
    /// Removes workers not seen since a time.
    /// - Throws: `leadership_lost`.
    func removeWorkers(notSeenSince: Timestamp, by leader: Leadership?) async throws -> [WorkerRecord]
}

extension WorkerRegistry {
    /// For a store that only one process uses.
    public func drain(_ workers: [WorkerID]) async throws { try await drain(workers, by: nil) }
    public func removeWorkers(notSeenSince time: Timestamp) async throws -> [WorkerRecord] {
        try await removeWorkers(notSeenSince: time, by: nil)
    }
}

public struct WorkerRecord: Sendable, Codable, Equatable, Identifiable {
    public var id: WorkerID
    public var endpoint: String
    public var variant: String
    /// The name its fleet knows it by.
    public var instance: String
    public var host: String
    public var processID: Int
    /// When the process began to start.
    public var startedAt: Timestamp
    /// When its model was loaded.
    public var readyAt: Timestamp?
    public var seenAt: Timestamp
    public var draining: Bool
    /// Jobs it holds now, as the store knows.
    public var jobsHeld: Int
    /// When it last held a job; for one that never did, when it became known.
    public var idleSince: Timestamp

    public init(
        id: WorkerID, endpoint: String, variant: String, instance: String, host: String, processID: Int,
        startedAt: Timestamp, readyAt: Timestamp? = nil, seenAt: Timestamp, draining: Bool = false, jobsHeld: Int = 0,
        idleSince: Timestamp
    ) {
        self.id = id
        self.endpoint = endpoint
        self.variant = variant
        self.instance = instance
        self.host = host
        self.processID = processID
        self.startedAt = startedAt
        self.readyAt = readyAt
        self.seenAt = seenAt
        self.draining = draining
        self.jobsHeld = jobsHeld
        self.idleSince = idleSince
    }
}
