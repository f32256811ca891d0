import MillraceCore

/// Everything a gateway is told from outside; nothing here reads the environment.
public struct GatewayConfiguration: Sendable {
    public enum Authentication: Sendable, Equatable {
        /// Whoever reaches the address may do everything, as the tenant `default`. For one person's machine.
        case none
        /// Every request carries an API key, except `/`, `/healthz`, `/readyz` and signed blob URLs.
        case required
    }

    public var host: String
    /// 0: any free port; ``Gateway/port()`` tells which.
    public var port: Int
    /// Where workers of this machine connect. Its folder is made with mode 0700, the socket with 0600.
    public var workerSocketPath: String
    public var endpoints: [EndpointConfiguration]
    public var authentication: Authentication
    public var webhooks: WebhookSettings
    /// The key that signs blob URLs, at least 32 bytes, the same on all gateways.
    public var blobURLKey: [UInt8]
    public var version: String
    /// For `/health`; secrets are already taken out.
    public var effectiveSettings: JSONValue

    /// In which prices are told.
    public var currency = "USD"

    /// How long a lease lasts without a heartbeat, and how often workers send one.
    public var leaseDuration: Duration = .seconds(15)
    public var heartbeat: Duration = .seconds(5)
    /// The most bytes of a JSON request.
    public var jsonBytesMax = 1 << 20
    /// The most bytes of a bulk submit.
    public var bulkBytesMax = 32 << 20
    /// The most bytes of one message of a worker.
    public var workerBytesMax = 16 << 20
    /// The most bytes of one upload; `nil`: the largest limit of any endpoint.
    public var uploadBytesMax: Int64?
    /// The most bytes of one output that a joined machine stores.
    public var outputBytesMax: Int64 = 4 << 30
    /// The certificate with which the address speaks TLS; `nil`: it does not.
    public var tls: TLSFiles?
    /// The longest that a request may wait for a job (`Prefer: wait`) or a worker for work.
    public var waitMax: Duration = .seconds(60)
    /// How often a silent event stream says that it lives.
    public var eventHeartbeat: Duration = .seconds(15)
    /// A connection on which nothing comes for so long is closed, also in the middle of a request.
    public var idleTimeout: Duration = .seconds(60)
    /// A new TCP connection whose first request has not begun for so long is closed.
    public var firstRequestTimeout: Duration = .seconds(10)
    /// The most TCP connections at once; more are closed at once.
    public var connectionsMax = 2048

    public init(
        host: String = "127.0.0.1", port: Int = 8080, workerSocketPath: String, endpoints: [EndpointConfiguration],
        authentication: Authentication, webhooks: WebhookSettings, blobURLKey: [UInt8], version: String,
        effectiveSettings: JSONValue = [:]
    ) {
        precondition(blobURLKey.count >= 32, "a key that signs blob URLs has at least 32 bytes")
        self.host = host
        self.port = port
        self.workerSocketPath = workerSocketPath
        self.endpoints = endpoints
        self.authentication = authentication
        self.webhooks = webhooks
        self.blobURLKey = blobURLKey
        self.version = version
        self.effectiveSettings = effectiveSettings
    }
}
