import MillraceCore

/// The policy that a variant's configuration names, within its limits and its schedule: what the controller asks.
public struct ConfiguredPolicy: ScalingPolicy {
    public init() {}

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let inner: any ScalingPolicy =
            switch observation.scaling.policy {
            case .targetWait(let target): TargetWaitPolicy(target: target)
            case .step(let steps): StepPolicy(steps)
            case .backlogPerWorker(let jobs): BacklogPerWorkerPolicy(jobs: jobs)
            case .always(let workers): AlwaysPolicy(workers: workers)
            }
        guard !observation.scaling.schedule.isEmpty else { return inner.decide(observation, &memory) }
        return SchedulePolicy(over: inner).decide(observation, &memory)
    }
}
