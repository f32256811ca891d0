import MillraceCore

/// The policy that a variant's configuration names, within its limits and its schedule: what the controller asks.
public struct ConfiguredPolicy: ScalingPolicy {
    public init() {}

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let inner = observation.scaling.policy.policy
        guard !observation.scaling.schedule.isEmpty else { return inner.decide(observation, &memory) }
        return SchedulePolicy(over: inner).decide(observation, &memory)
    }
}

extension ScalingConfiguration.PolicyChoice {
    /// What decides by this choice.
    var policy: any ScalingPolicy {
        switch self {
        case .targetWait(let target): TargetWaitPolicy(target: target)
        case .step(let steps): StepPolicy(steps)
        case .backlogPerWorker(let jobs): BacklogPerWorkerPolicy(jobs: jobs)
        case .always(let workers): AlwaysPolicy(workers: workers)
        }
    }
}
