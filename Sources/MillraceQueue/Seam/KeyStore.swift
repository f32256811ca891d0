import MillraceCore

/// API keys. Only hashes are kept.
public protocol KeyStore: Sendable {
    func add(_ key: KeyRecord) async throws
    func key(_ id: KeyID) async throws -> KeyRecord?
    func keys() async throws -> [KeyRecord]
    /// - Returns: whether there was such a key.
    func revoke(_ id: KeyID) async throws -> Bool
}

public struct KeyRecord: Sendable, Codable, Equatable, Identifiable {
    /// What a key opens.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// What clients use.
        case client
        /// What workers of joined machines use, and nothing else.
        case worker
    }

    public var id: KeyID
    public var name: String
    public var tenant: String
    /// SHA-256 of the secret, lower-case hexadecimal. The secret has 256 random bits, so no slow hash is needed.
    public var secretHash: String
    public var createdAt: Timestamp
    public var kind: Kind
    /// The endpoints that a worker's key is for; `nil`: all.
    public var endpoints: [String]?

    public init(
        id: KeyID, name: String, tenant: String, secretHash: String, createdAt: Timestamp, kind: Kind = .client, endpoints: [String]? = nil
    ) {
        self.id = id
        self.name = name
        self.tenant = tenant
        self.secretHash = secretHash
        self.createdAt = createdAt
        self.kind = kind
        self.endpoints = endpoints
    }
}

/// Everything that one database keeps for Millrace.
public typealias Store = JobStore & BlobCatalog & WorkerRegistry & DeliveryStore & KeyStore & LeadershipStore & EndpointControl
    & ClockKeeper & ScalingStore
