/// Why a fleet has no worker to give: a state that people see, not a fault of the caller.
public struct FleetProblem: Error, Sendable, Codable, Equatable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable {
        /// There is no room: all slots are taken, or the provider is out of capacity.
        case capacity
        /// What a worker is made of cannot be had: an image, a launch template, a permission.
        case image
        /// A worker ended before it was ready, as when its model does not load.
        case start
        /// Workers become ready and die soon after, time after time.
        case crashLoop
    }
    public var kind: Kind
    /// A sentence for people, without a full stop.
    public var message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
}
