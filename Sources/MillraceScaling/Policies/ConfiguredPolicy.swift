import MillraceCore

/// The policy that a variant's configuration names, within its limits: what the controller asks.
public struct ConfiguredPolicy: ScalingPolicy {
    public init() {}

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        fatalError("being built")
    }
}
