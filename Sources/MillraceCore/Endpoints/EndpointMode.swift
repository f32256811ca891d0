/// What an operator lets an endpoint do.
public enum EndpointMode: String, Sendable, Codable, CaseIterable {
    /// Takes jobs and runs them.
    case open
    /// Takes jobs, but gives none to workers until it is open again. What runs goes on.
    case paused
    /// Takes no jobs, but runs those that it has.
    case draining
}
