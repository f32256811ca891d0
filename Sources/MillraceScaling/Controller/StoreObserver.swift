import MillraceCloud
import MillraceCore
import MillraceQueue
import Synchronization

/// Sees fleets: the store's backlog and workers, joined with the instances that a fleet knows.
final class StoreObserver: Sendable {
    let store: any Store
    let endpoints: [EndpointConfiguration]
    /// How long a worker may be silent.
    let lease: Duration
    let traces: WorkerTraces
    let surroundings: Surroundings
    private let attention = Attention()
    private let memory = Mutex(RegistrationMemory())

    init(store: any Store, endpoints: [EndpointConfiguration], lease: Duration, traces: WorkerTraces, surroundings: Surroundings) {
        self.store = store
        self.endpoints = endpoints
        self.lease = lease
        self.traces = traces
        self.surroundings = surroundings
    }

    /// One sight for each variant that is configured.
    func look(_ instances: [FleetInstance]) async throws -> [FleetSight] {
        let backlog = try await store.backlog()
        let workers = try await store.workers()
        let totals = try await store.totals()
        let paused = Set(try await store.modes().filter { $0.mode == .paused }.map(\.endpoint))
        let now = surroundings.now()
        // A worker may have been started by a server that was killed before the worker registered.
        let instances = instances + traces.adopt(workers.filter { worker in !instances.contains { $0.id == worker.instance } })
        let known = Dictionary(workers.map { ($0.instance, $0) }, uniquingKeysWith: { $1 })
        let maySilence = attention.mayJudge(at: now, lease)
        let hasLeft = memory.withLock { $0.left(instances.map(\.id), registered: known) }
        return endpoints.map { endpoint in
            let own = instances.filter { $0.endpoint == endpoint.name && $0.variant == endpoint.variant }
            let waiting = backlog.first { $0.endpoint == endpoint.name && $0.variant == endpoint.variant }
            let isPaused = paused.contains(endpoint.name)
            var observation = VariantObservation(
                endpoint: endpoint.name, variant: endpoint.variant, scaling: isPaused ? endpoint.scaling.paused : endpoint.scaling, now: now,
                ready: isPaused ? 0 : waiting?.ready ?? 0, running: waiting?.running ?? 0, oldestReadyAt: isPaused ? nil : waiting?.oldestReadyAt,
                workers: own.map { worker(of: $0, known[$0.id], hasLeft: hasLeft.contains($0.id)) })
            observation.isPaused = isPaused
            return FleetSight(
                observation, totals: totals.first { $0.endpoint == endpoint.name && $0.variant == endpoint.variant },
                wantedAt: Dictionary(own.map { ($0.id, $0.startedAt) }, uniquingKeysWith: { $1 }),
                readyAt: Dictionary(own.compactMap { instance in known[instance.id]?.readyAt.map { (instance.id, $0) } }, uniquingKeysWith: { $1 }),
                silent: maySilence ? own.compactMap { known[$0.id] }.filter { isSilent($0, at: now) }.map(\.id) : [],
                startMax: endpoint.manifest.server?.startMax ?? .zero)
        }
    }

    /// When an instance that the store does not know any more had become ready.
    func readyAt(ofGone instance: InstanceID) -> Timestamp? {
        memory.withLock { $0.readyAt(of: instance) }
    }

    private func isSilent(_ worker: WorkerRecord, at now: Timestamp) -> Bool {
        worker.jobsHeld == 0 && !worker.draining && now.since(worker.seenAt) > max(lease, traces.silenceMax(worker.instance))
    }

    /// The fleet says which workers there are, the store what they do.
    private func worker(of instance: FleetInstance, _ worker: WorkerRecord?, hasLeft: Bool) -> VariantObservation.Worker {
        guard let worker else {
            let leaves = hasLeft || instance.phase == .stopping
            return .init(instance: instance.id, id: nil, activity: leaves ? .draining(holdsWork: false) : .starting(since: instance.startedAt))
        }
        let activity: VariantObservation.Worker.Activity =
            // Its fleet has told it to stop, for whatever reason: it takes no more.
            if worker.draining || instance.phase == .stopping { .draining(holdsWork: worker.jobsHeld > 0) }
            else if worker.jobsHeld > 0 { .busy }
            else if let readyAt = worker.readyAt { .idle(since: max(worker.idleSince, readyAt)) }
            else { .starting(since: instance.startedAt) }
        return .init(instance: instance.id, id: worker.id, activity: activity)
    }
}

/// What the machine of a fleet knows of its workers, beside the store. By default nothing.
public struct WorkerTraces: Sendable {
    /// Takes over workers that the store knows and the fleet does not.
    public var adopt: @Sendable ([WorkerRecord]) -> [FleetInstance]
    /// The jobs that were in code that may crash when a worker ended; empty when that is not known.
    public var jobsAtRisk: @Sendable (InstanceID) -> Set<JobID>
    /// Removes what a worker left.
    public var forget: @Sendable (InstanceID) -> Void
    /// How long this worker may be silent, where that is longer than a lease.
    public var silenceMax: @Sendable (InstanceID) -> Duration

    public init(
        adopt: @escaping @Sendable ([WorkerRecord]) -> [FleetInstance] = { _ in [] },
        jobsAtRisk: @escaping @Sendable (InstanceID) -> Set<JobID> = { _ in [] }, forget: @escaping @Sendable (InstanceID) -> Void = { _ in },
        silenceMax: @escaping @Sendable (InstanceID) -> Duration = { _ in .zero }
    ) {
        self.adopt = adopt
        self.jobsAtRisk = jobsAtRisk
        self.forget = forget
        self.silenceMax = silenceMax
    }
}

/// Remembers which instances have registered. One that did and is no longer known to the store has said goodbye and is about to
/// end; without this memory it would look like one that has yet to start, and be replaced.
struct RegistrationMemory: Sendable {
    /// And when they became ready.
    private var registered: [InstanceID: Timestamp?] = [:]

    func readyAt(of instance: InstanceID) -> Timestamp? { registered[instance] ?? nil }

    /// - Returns: the instances that have left the store.
    mutating func left(_ instances: [InstanceID], registered known: [InstanceID: WorkerRecord]) -> Set<InstanceID> {
        // Who is not there any more is forgotten, so that the memory stays as small as the fleet.
        let there = Set(instances)
        registered = registered.filter { there.contains($0.key) }
        for instance in instances { if let worker = known[instance] { registered[instance] = .some(worker.readyAt) } }
        return Set(registered.keys.filter { known[$0] == nil })
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
            // The controller looks at least every two seconds, also where leases are shorter.
            if gap.map({ $0 > max(lease, .seconds(5)) || $0 < .zero }) ?? true { state.quietUntil = now + lease }
            return state.quietUntil.map { now >= $0 } ?? true
        }
    }
}

extension ScalingConfiguration {
    /// What a paused endpoint has waiting is no reason for a worker, and nor is the number that always run.
    fileprivate var paused: Self {
        var copy = self
        copy.min = 0
        copy.schedule = []
        if case .always = policy { copy.policy = Self().policy }
        return copy
    }
}
