import MillraceCore

/// Says how many workers a variant should have now. Pure: the same observation and memory give the same decision.
public protocol ScalingPolicy: Sendable {
    /// - Parameter memory: what the policy wanted lately, of this variant. Whoever asks keeps it for the next time.
    func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision
}

extension ScalingPolicy {
    /// A decision without a past.
    public func decide(_ observation: VariantObservation) -> ScalingDecision {
        var memory = PolicyMemory()
        return decide(observation, &memory)
    }
}

public struct ScalingDecision: Sendable, Codable, Equatable {
    /// Workers that should serve, those that drain not counted.
    public var desired: Int
    /// Workers that shall take no more work.
    public var drain: [WorkerID]
    /// When to look again if nothing happens before.
    public var lookAgainAt: Timestamp?
    /// For people: "4 workers: 210 jobs waiting, 3.1 jobs/s each, target wait 10 s".
    public var reason: String

    public init(desired: Int, drain: [WorkerID] = [], lookAgainAt: Timestamp? = nil, reason: String = "") {
        self.desired = desired
        self.drain = drain
        self.lookAgainAt = lookAgainAt
        self.reason = reason
    }
}
