/// Where an endpoint's workers may run.
public enum FleetChoice: String, Sendable, Codable, CaseIterable {
    /// On joined machines as long as they have room, else beside the server.
    case any
    /// Beside the server alone.
    case local
    /// On joined machines alone.
    case joined
}
