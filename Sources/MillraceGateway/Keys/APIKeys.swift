import MillraceCore
import MillraceQueue
import Synchronization

/// Makes and checks API keys.
///
/// A look-up is remembered for ``memory``, so that a key that is revoked through another process may work that long.
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
    public func create(name: String, tenant: String = "default") async throws -> (record: KeyRecord, key: APIKey) {
        let key = APIKey(in: surroundings)
        let record = KeyRecord(
            id: key.id, name: name, tenant: tenant, secretHash: key.secretHash, createdAt: surroundings.now())
        try await store.add(record)
        remembered.withLock { $0[key.id] = nil }
        return (record, key)
    }

    /// The record of a key whose secret is right, else `nil`.
    public func verify(_ text: String) async throws -> KeyRecord? {
        guard let key = APIKey(text), let record = try await record(of: key.id) else { return nil }
        return key.hasSecret(hashed: record.secretHash) ? record : nil
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
