import MillraceCore

/// What operators decided about endpoints; every endpoint is open until somebody says otherwise.
public protocol EndpointControl: Sendable {
    func setMode(_ mode: EndpointMode, of endpoint: String, reason: String?) async throws
    /// The endpoints that are not open.
    func modes() async throws -> [EndpointModeRecord]
}

public struct EndpointModeRecord: Sendable, Codable, Equatable {
    public var endpoint: String
    public var mode: EndpointMode
    public var since: Timestamp
    public var reason: String?

    public init(endpoint: String, mode: EndpointMode, since: Timestamp, reason: String?) {
        self.endpoint = endpoint
        self.mode = mode
        self.since = since
        self.reason = reason
    }
}
