import MillraceCore

/// What a policy wanted lately, of one variant. Bounded; kept by whoever asks the policy, across restarts too.
public struct PolicyMemory: Sendable, Codable, Equatable {
    public init() {}
}
