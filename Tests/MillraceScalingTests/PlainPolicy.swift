import MillraceCore
import MillraceScaling

/// A worker for each job that waits, and none for those that were idle for the idle time: enough to try a controller with.
struct PlainPolicy: ScalingPolicy {
    func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let (scaling, now) = (observation.scaling, observation.now)
        let serving = observation.workers.filter { !$0.isDraining }
        let starting = serving.count(where: \.isStarting)
        guard observation.ready == 0 else {
            let desired = max(serving.count, min(serving.count - starting + observation.ready, scaling.max))
            return ScalingDecision(desired: desired, reason: "\(desired) workers: \(observation.ready) jobs waiting")
        }
        let idle = serving.compactMap { worker -> (id: WorkerID, since: Timestamp)? in
            if case .idle(let since) = worker.activity, let id = worker.id { (id, since) } else { nil }
        }
        let limit = scaling.idle ?? .seconds(30)
        let over = idle.filter { now.since($0.since) >= limit }.prefix(max(serving.count - scaling.min, 0))
        let next = idle.map(\.since).min().map { $0 + limit }
        return ScalingDecision(
            desired: max(serving.count - over.count, scaling.min), drain: over.map(\.id), lookAgainAt: next.map { max($0, now + .milliseconds(100)) },
            reason: over.isEmpty ? "\(serving.count) workers: nothing waits" : "\(over.count) workers were idle for \(limit.seconds) s")
    }
}
