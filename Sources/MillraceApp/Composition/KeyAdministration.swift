import Logging
import MillraceCore
import MillraceGateway
import MillraceQueue
import MillraceQueueSQLite

/// `millrace keys`: works on the data directory itself, also while a server runs on it.
public struct KeyAdministration: Sendable {
    let store: any KeyStore
    private let keys: APIKeys
    /// Those of the settings; empty where there are none to be read.
    private let endpoints: [String]

    public init(settings: Settings) throws {
        let data = try DataDirectory(settings.dataDirectory)
        let store = try SQLiteStore(path: data.database, surroundings: .system, logger: AppLogging.logger("millrace.keys", settings))
        self.store = store
        endpoints = settings.endpoints.map(\.name)
        keys = APIKeys(store: store, surroundings: .system)
    }

    /// A key as it may be shown: without anything secret.
    public struct Key: Sendable, Codable, Equatable {
        public var id: KeyID
        public var name: String
        public var tenant: String
        public var createdAt: Timestamp
        /// `client` or `worker`.
        public var kind: String
        /// What a worker's key is for; absent: all endpoints.
        public var endpoints: [String]?

        init(_ record: KeyRecord) {
            id = record.id
            name = record.name
            tenant = record.tenant
            createdAt = record.createdAt
            kind = record.kind.rawValue
            endpoints = record.endpoints
        }
    }

    /// - Returns: the key, and its secret text, which is shown only this once.
    public func create(name: String, tenant: String) async throws -> (key: Key, secret: String) {
        let made = try await keys.create(name: name, tenant: tenant)
        return (Key(made.record), made.key.description)
    }

    /// Makes a key for machines that join.
    /// - Parameter endpoints: what it is for; empty: all.
    public func createForWorkers(name: String, endpoints: [String]) async throws -> (key: Key, secret: String) {
        if let bad = endpoints.first(where: { !$0.isEndpointName }) {
            throw MillraceError(.invalidParameter, "\"\(bad)\" cannot be the name of an endpoint", hint: "a-z, 0-9 and -, beginning with a letter")
        }
        let made = try await keys.create(name: name, kind: .worker, endpoints: endpoints.isEmpty ? nil : endpoints)
        return (Key(made.record), made.key.description)
    }

    /// What to tell somebody who makes a key for endpoints that are not in the settings. It may be that they come later.
    public func warnings(about names: [String]) -> [String] {
        guard !endpoints.isEmpty else { return [] }
        return names.filter { !endpoints.contains($0) }.map { name in
            let near = Spelling.nearest(to: name, in: endpoints).map { "did you mean \"\($0)\"?" } ?? "endpoints: \(endpoints.sorted().joined(separator: ", "))"
            return "there is no endpoint \"\(name)\" in the settings; \(near)"
        }
    }

    /// Oldest first.
    public func list() async throws -> [Key] {
        try await store.keys().map(Key.init).sorted { $0.createdAt < $1.createdAt }
    }

    /// - Throws: `not_found` when there is no key of this id.
    public func revoke(_ text: String) async throws {
        guard let id = KeyID(text), try await store.revoke(id) else {
            throw MillraceError(.notFound, "there is no key \(text)", hint: "millrace keys list shows the ids")
        }
    }
}
