import MillraceCore

/// An endpoint as clients see it.
public struct EndpointResource: Sendable, Codable, Equatable {
    public var name: String
    public var model: String
    public var modelVersion: String
    public var description: String?
    public var variant: String
    public var accepts: [String]
    public var parameters: [String: ParameterDeclaration]
    /// `open`, `paused` (takes jobs, runs none) or `draining` (takes none, runs those it has).
    public var mode: EndpointMode
    /// Since when it is not open, and why, as the operator said.
    public var modeSince: Timestamp?
    public var modeReason: String?
    /// All that wait, also those that wait for their time.
    public var queued: Int
    /// Of these, those that wait for their time: a retry's, or one that the client gave.
    public var scheduled: Int
    public var running: Int
    public var workers: Int
    public var bytesMax: Int64
    /// Why no worker can serve it, when the last ones could not start.
    public var problem: String?

    public init(
        name: String, model: String, modelVersion: String, description: String?, variant: String, accepts: [String],
        parameters: [String: ParameterDeclaration], mode: EndpointMode = .open, modeSince: Timestamp? = nil, modeReason: String? = nil,
        queued: Int, scheduled: Int = 0, running: Int, workers: Int, bytesMax: Int64, problem: String? = nil
    ) {
        self.problem = problem
        self.name = name
        self.model = model
        self.modelVersion = modelVersion
        self.description = description
        self.variant = variant
        self.accepts = accepts
        self.parameters = parameters
        self.mode = mode
        self.modeSince = modeSince
        self.modeReason = modeReason
        self.queued = queued
        self.scheduled = scheduled
        self.running = running
        self.workers = workers
        self.bytesMax = bytesMax
    }
}

public struct EndpointList: Sendable, Codable, Equatable {
    public var endpoints: [EndpointResource]
    public init(endpoints: [EndpointResource]) { self.endpoints = endpoints }
}

/// The body of `POST /v1/endpoints/{endpoint}/pause`, `/resume` and `/drain`, which may be left out.
public struct EndpointModeRequest: Sendable, Codable, Equatable {
    /// Why, for whoever looks at the endpoint.
    public var reason: String?
    public init(reason: String? = nil) { self.reason = reason }
}
