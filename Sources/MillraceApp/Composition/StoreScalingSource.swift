import MillraceCloud
import MillraceCore
import MillraceGateway
import MillraceQueue
import MillraceScaling
import Synchronization

/// What the autoscaler sees: the store's backlog and workers, joined with what the fleet knows.
struct StoreScalingSource: ScalingSource {
    let store: any Store
    let endpoints: [EndpointConfiguration]
    /// How long a worker may be silent.
    let lease: Duration
    private let attention = Attention()
    let data: DataDirectory
    let adoption: WorkerAdoption
    let joined: JoinedFleet
    let startFailures: StartFailures
    /// Of the role ``LeadershipRole/scaling``.
    let leader: Leader
    let surroundings: Surroundings

    func observe(instances: [FleetInstance]) async throws -> [VariantObservation] {
        let backlog = try await store.backlog()
        let workers = try await store.workers()
        let paused = Set(try await store.modes().filter { $0.mode == .paused }.map(\.endpoint))
        // A worker may have been started by a server that was killed before the worker registered.
        let instances = instances + adoption.adopt(workers.filter { worker in !instances.contains { $0.id == worker.instance } })
        for worker in workers where worker.readyAt != nil { startFailures.succeeded(worker.endpoint) }
        return endpoints.map { endpoint in
            let waiting = backlog.first { $0.endpoint == endpoint.name && $0.variant == endpoint.variant }
            let isPaused = paused.contains(endpoint.name)
            var scaling = endpoint.scaling
            // What a paused endpoint has waiting is no reason for a worker, and nor is the number that always run.
            if isPaused { scaling.min = 0 }
            return VariantObservation(
                endpoint: endpoint.name, variant: endpoint.variant, scaling: scaling, now: surroundings.now(),
                ready: isPaused ? 0 : waiting?.ready ?? 0, running: waiting?.running ?? 0,
                oldestReadyAt: isPaused ? nil : waiting?.oldestReadyAt,
                workers: activities(
                    of: instances.filter { $0.endpoint == endpoint.name && $0.variant == endpoint.variant }, in: workers))
        }
    }

    /// The fleet says which workers there are, the store what they do.
    private func activities(of instances: [FleetInstance], in workers: [WorkerRecord]) -> [VariantObservation.Worker] {
        instances.map { instance in
            guard let worker = workers.first(where: { $0.instance == instance.id }) else {
                return .init(instance: instance.id, id: nil, activity: instance.phase == .stopping ? .draining(holdsWork: false) : .starting)
            }
            // Its fleet has told it to stop, for whatever reason: it takes no more.
            if instance.phase == .stopping { return .init(instance: instance.id, id: worker.id, activity: .draining(holdsWork: worker.jobsHeld > 0)) }
            return .init(instance: instance.id, id: worker.id, activity: activity(of: worker))
        }
    }

    private func activity(of worker: WorkerRecord) -> VariantObservation.Worker.Activity {
        // Silent for a lease without holding anything: it hangs, and would stand in the way of one that does not.
        if worker.jobsHeld == 0, attention.mayJudge(at: surroundings.now(), lease), surroundings.now().since(worker.seenAt) > silenceMax(of: worker) {
            return .draining(holdsWork: false)
        }
        if worker.draining { return .draining(holdsWork: worker.jobsHeld > 0) }
        if worker.jobsHeld > 0 { return .busy }
        guard let readyAt = worker.readyAt else { return .starting }
        return .idle(since: max(worker.idleSince, readyAt))
    }

    /// Where a network lies between, it may be that which is silent; the fleet of joined machines notices when one is gone.
    private func silenceMax(of worker: WorkerRecord) -> Duration {
        worker.instance.hasPrefix(JoinedFleet.prefix) ? max(lease, JoinedFleet.silenceMax) : lease
    }

    func drain(_ workers: [WorkerID]) async throws {
        do {
            // Without the lead (the epoch of a server that was killed may last a little) there is no epoch to carry; the
            // workers of an own fleet are this process's all the same.
            try await store.drain(workers, by: try await leader.leadership())
        } catch let error as MillraceError where error.code == .leadershipLost {
            leader.forget()
            throw error
        }
    }

    func leads() async throws -> Bool {
        try await leader.leadership() != nil
    }

    func resign() async {
        await leader.resign()
    }

    func workerEnded(instance: InstanceID, of endpoint: String, status: String, stderrTail: String) async throws -> WorkerEnding {
        guard let worker = try await store.workers().first(where: { $0.instance == instance }) else {
            data.forgetAtRisk(of: instance)
            if status != "exit 0" { startFailures.failed(endpoint, status: status, stderrTail: stderrTail) }
            return .neverReady
        }
        if worker.jobsHeld > 0 {
            _ = try await store.abandon(
                worker: worker.id, atRisk: data.jobsAtRisk(of: instance).union(joined.takeJobsAtRisk(of: instance)), reason: status, stderrTail: stderrTail)
        }
        try await store.deregister(worker.id)
        data.forgetAtRisk(of: instance)
        guard worker.readyAt == nil else { return .wasReady }
        startFailures.failed(endpoint, status: status, stderrTail: stderrTail)
        return .neverReady
    }

    func nudge() {
        store.changes.publish([.worker])
    }

    func hints() -> AsyncStream<Void> {
        store.changes.hints([.backlog, .worker])
    }
}

/// Whether this process was there to hear workers: after it stood still itself (stopped, or its clock was set), their silence says
/// nothing for one lease.
private final class Attention: Sendable {
    private struct State {
        var lastLook: Timestamp?
        var quietUntil: Timestamp?
    }
    private let state = Mutex(State())

    func mayJudge(at now: Timestamp, _ lease: Duration) -> Bool {
        state.withLock { state in
            let gap = state.lastLook.map { now.since($0) }
            state.lastLook = now
            // The autoscaler looks at least every two seconds, also where leases are shorter.
            if gap.map({ $0 > max(lease, .seconds(5)) || $0 < .zero }) ?? true { state.quietUntil = now + lease }
            return state.quietUntil.map { now >= $0 } ?? true
        }
    }
}
