import MillraceCore

/// So many workers from so many waiting jobs on, as CloudWatch step scaling with exact capacities counts: work in flight is not seen.
public struct StepPolicy: ScalingPolicy {
    private let steps: [ScalingConfiguration.Step]
    private let scaleIn: ScaleIn

    public init(_ steps: [ScalingConfiguration.Step]) {
        self.init(steps, .idleOnly)
    }

    init(_ steps: [ScalingConfiguration.Step], _ scaleIn: ScaleIn) {
        self.steps = steps.sorted { $0.from < $1.from }
        self.scaleIn = scaleIn
    }

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let scaling = observation.scaling
        let step = steps.last { observation.ready >= $0.from }
        let asked = (step?.workers ?? 0).clamped(to: observation.limits)
        let wanted = memory.stabilized(asked, current: observation.serving, up: scaling.up, down: scaling.down, at: observation.now)
        return observation.decision(
            for: wanted, scaleIn,
            reason: "\(Words.workers(wanted)): \(Words.waiting(observation.ready)), \(step.map { "the step from \($0.from) on" } ?? "below the first step")")
    }
}
