import MillraceCore
import MillraceQueue
import Synchronization

/// Makes and checks API keys.
///
/// A look-up of a client's key is remembered for ``memory``, so that one that is revoked through another process may work that long. A
/// worker's key is looked up each time: a machine that is no longer trusted is out at once.
public final class APIKeys: Sendable {
    public static let memory: Duration = .seconds(10)
    private static let rememberedMax = 1024

    private struct Remembered {
        var record: KeyRecord?
        var until: Timestamp
    }
    private let store: any KeyStore
    private let surroundings: Surroundings
    private let remembered = Mutex<[KeyID: Remembered]>([:])

    public init(store: any KeyStore, surroundings: Surroundings = .system) {
        self.store = store
        self.surroundings = surroundings
    }

    /// Makes a key. The returned text is the only copy of its secret.
    ///
    /// - Parameter endpoints: what a worker's key is for; `nil`: all.
    public func create(
        name: String, tenant: String = "default", kind: KeyRecord.Kind = .client, endpoints: [String]? = nil
    ) async throws -> (record: KeyRecord, key: APIKey) {
        let key = APIKey(kind, in: surroundings)
        let record = KeyRecord(
            id: key.id, name: name, tenant: tenant, secretHash: key.secretHash, createdAt: surroundings.now(), kind: kind, endpoints: endpoints)
        try await store.add(record)
        remembered.withLock { $0[key.id] = nil }
        return (record, key)
    }

    /// The record of a key whose secret is right, else `nil`.
    public func verify(_ text: String) async throws -> KeyRecord? {
        guard let key = APIKey(text) else { return nil }
        let found = key.kind == .worker ? try await store.key(key.id) : try await record(of: key.id)
        guard let found, found.kind == key.kind else { return nil }
        return key.hasSecret(hashed: found.secretHash) ? found : nil
    }

    /// Whether a worker's key has not been revoked.
    func holds(workerKey id: KeyID) async throws -> Bool {
        try await store.key(id)?.kind == .worker
    }

    /// - Returns: whether there was such a key.
    public func revoke(_ id: KeyID) async throws -> Bool {
        defer { remembered.withLock { $0[id] = nil } }
        return try await store.revoke(id)
    }

    private func record(of id: KeyID) async throws -> KeyRecord? {
        let now = surroundings.now()
        if let known = remembered.withLock({ $0[id] }), known.until > now { return known.record }
        let record = try await store.key(id)
        remembered.withLock { remembered in
            if remembered.count >= Self.rememberedMax { remembered.removeAll() }
            remembered[id] = Remembered(record: record, until: now + Self.memory)
        }
        return record
    }
}
