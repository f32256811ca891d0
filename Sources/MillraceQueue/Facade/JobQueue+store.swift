import MillraceCore
import Tracing

// What passes through to the store, measured.

extension JobQueue: BlobCatalog {
    public func reserve(_ blobs: [BlobRecord]) async throws {
        try await observed("reserve") { _ in try await store.reserve(blobs) }
    }

    public func seal(_ id: BlobID, bytes: Int64, sha256: String, mediaType: String) async throws {
        try await observed("seal") { _ in try await store.seal(id, bytes: bytes, sha256: sha256, mediaType: mediaType) }
    }

    public func blob(_ id: BlobID) async throws -> BlobRecord? {
        try await store.blob(id)
    }

    public func claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by leader: Leadership?) async throws -> [BlobID] {
        try await observed("claim_unused") { _ in
            try await store.claimUnused(pendingBefore: pendingBefore, unusedBefore: unusedBefore, limit: limit, by: leader)
        }
    }

    public func forget(_ ids: [BlobID]) async throws {
        try await observed("forget") { _ in try await store.forget(ids) }
        meters.count(.blobsCollected, by: ids.count)
    }
}

extension JobQueue: ClockKeeper {
    public func lastChangeAt() async throws -> Timestamp? {
        try await store.lastChangeAt()
    }

    public func clockWasSetBack(by step: Duration, as leader: Leadership?) async throws {
        try await observed("clock_set_back") { _ in try await store.clockWasSetBack(by: step, as: leader) }
    }
}

extension JobQueue: WorkerRegistry {
    public func register(_ worker: WorkerRecord) async throws {
        try await observed("register") { _ in try await store.register(worker) }
    }

    public func touch(_ worker: WorkerID, readyAt: Timestamp?) async throws -> Bool {
        try await observed("touch") { _ in try await store.touch(worker, readyAt: readyAt) }
    }

    public func drain(_ workers: [WorkerID], by leader: Leadership?) async throws {
        try await observed("drain") { _ in try await store.drain(workers, by: leader) }
    }

    public func recall(_ workers: [WorkerID]) async throws {
        try await observed("recall") { _ in try await store.recall(workers) }
    }

    public func deregister(_ worker: WorkerID) async throws {
        try await observed("deregister") { _ in try await store.deregister(worker) }
    }

    public func workers() async throws -> [WorkerRecord] {
        try await store.workers()
    }

    public func removeWorkers(notSeenSince: Timestamp, by leader: Leadership?) async throws -> [WorkerRecord] {
        try await observed("remove_workers") { _ in try await store.removeWorkers(notSeenSince: notSeenSince, by: leader) }
    }
}

extension JobQueue: DeliveryStore {
    public func claimDeliveries(limit: Int, for duration: Duration) async throws -> [Delivery] {
        try await observed("claim_deliveries") { _ in try await store.claimDeliveries(limit: limit, for: duration) }
    }

    public func record(_ attempt: DeliveryAttempt, of delivery: DeliveryID, claim: LeaseToken, next: Timestamp?) async throws -> Bool {
        let recorded = try await observed("record_delivery") { _ in
            try await store.record(attempt, of: delivery, claim: claim, next: next)
        }
        if recorded { meters.count(.deliveryAttempts, [("delivered", String(attempt.delivered))]) }
        return recorded
    }

    public func deliveries(of job: JobID) async throws -> [Delivery] {
        try await store.deliveries(of: job)
    }

    public func nextDeliveryAt() async throws -> Timestamp? {
        try await store.nextDeliveryAt()
    }
}

extension JobQueue: KeyStore {
    public func add(_ key: KeyRecord) async throws {
        try await store.add(key)
    }

    public func key(_ id: KeyID) async throws -> KeyRecord? {
        try await store.key(id)
    }

    public func keys() async throws -> [KeyRecord] {
        try await store.keys()
    }

    public func revoke(_ id: KeyID) async throws -> Bool {
        try await store.revoke(id)
    }
}

extension JobQueue: LeadershipStore {
    public func lead(_ role: LeadershipRole, as candidate: CandidateID, for duration: Duration) async throws -> Leadership? {
        try await observed("lead") { _ in try await store.lead(role, as: candidate, for: duration) }
    }

    public func resign(_ leadership: Leadership) async throws {
        try await store.resign(leadership)
    }
}

extension JobQueue: EndpointControl {
    public func setMode(_ mode: EndpointMode, of endpoint: String, reason: String?) async throws {
        try await observed("set_mode") { _ in try await store.setMode(mode, of: endpoint, reason: reason) }
    }

    public func modes() async throws -> [EndpointModeRecord] {
        try await store.modes()
    }
}
