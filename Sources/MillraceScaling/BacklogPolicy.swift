import MillraceCore

/// The first, simple policy: one worker as soon as one job waits, one more each time the oldest job has waited longer than the
/// target, and back to `min` when workers have been idle for the idle time.
///
/// Work in flight counts: a busy worker is never drained. Workers that start count too, so that one slow start is not
/// answered with many.
public struct BacklogPolicy: ScalingPolicy {
    public init() {}

    public func decide(_ observation: VariantObservation) -> ScalingDecision {
        let serving = observation.workers.filter { !$0.isDraining }
        return observation.ready > 0 ? grow(observation, serving) : shrink(observation, serving)
    }

    private func grow(_ observation: VariantObservation, _ serving: [VariantObservation.Worker]) -> ScalingDecision {
        let scaling = observation.scaling
        var desired = max(serving.count, 1)
        if !serving.isEmpty, !serving.contains(where: { $0.activity == .starting }), observation.waited > scaling.targetWait {
            desired += 1
        }
        return ScalingDecision(
            desired: max(min(desired, scaling.max), scaling.min),
            lookAgainAt: observation.oldestReadyAt.map { $0 + scaling.targetWait + .milliseconds(1) }
                .flatMap { $0 > observation.now ? $0 : nil })
    }

    private func shrink(_ observation: VariantObservation, _ serving: [VariantObservation.Worker]) -> ScalingDecision {
        let scaling = observation.scaling
        let idle = serving.idleLongestFirst
        let overdue = idle.count { observation.now.since($0.since) >= scaling.idle }
        let leaving = min(max(overdue, serving.count - scaling.max), serving.count - scaling.min)
        let drain = idle.prefix(max(0, leaving))
        return ScalingDecision(
            desired: max(serving.count - drain.count, scaling.min), drain: drain.map(\.id),
            lookAgainAt: idle.dropFirst(drain.count).first.map { max($0.since + scaling.idle, observation.now + .milliseconds(100)) })
    }
}

extension VariantObservation {
    fileprivate var waited: Duration { oldestReadyAt.map { now.since($0) } ?? .zero }
}

extension VariantObservation.Worker {
    public var isDraining: Bool { if case .draining = activity { true } else { false } }
}

extension [VariantObservation.Worker] {
    fileprivate var idleLongestFirst: [(id: WorkerID, since: Timestamp)] {
        compactMap { worker in
            guard case .idle(let since) = worker.activity, let id = worker.id else { return nil }
            return (id, since)
        }
        .sorted { $0.since < $1.since }
    }
}
