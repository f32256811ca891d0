import MillraceCore

/// The same number of workers whatever comes.
public struct AlwaysPolicy: ScalingPolicy {
    private let workers: Int

    public init(workers: Int) {
        self.workers = workers
    }

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let wanted = workers.clamped(to: observation.limits)
        return observation.decision(for: wanted, .idleOnly, reason: "\(Words.workers(wanted)): always")
    }
}
