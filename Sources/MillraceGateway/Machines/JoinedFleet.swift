import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceWire
import Synchronization

/// Workers on machines that joined: an agent on each asks what ought to run there, and starts and stops it.
public final class JoinedFleet: Fleet {
    /// With which the names of its instances begin: `joined:MACHINE:NUMBER`.
    public static let prefix = MachineLedger.prefix
    /// An agent that does not do what it was told hears it again after this.
    static let repeatAfter: Duration = .seconds(1)
    /// A machine that was silent for so long is taken for lost.
    public static let silenceMax = MachineLedger.silenceMax

    private struct State {
        var ledger = MachineLedger()
        /// The jobs that were at risk in workers that ended, until they are asked for.
        var atRisk: [InstanceID: Set<JobID>] = [:]
        var onRoom: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())
    /// Agents wait for it: something else may have to run.
    private let changes = StoreChanges()
    private let ended = AsyncStream<FleetInterruption>.makeStream(bufferingPolicy: .bufferingNewest(1024))
    private let device: @Sendable (_ endpoint: String) -> DeviceChoice
    private let drainLimit: @Sendable (_ endpoint: String) -> Duration
    private let registry: any WorkerRegistry
    private let surroundings: Surroundings

    /// - Parameters:
    ///   - device: where an endpoint's models may compute; says which slots its workers take.
    ///   - drainLimit: how long a worker of an endpoint may take to stop before it is killed.
    ///   - registry: the workers that the store knows, whichever agent started them.
    public init(
        device: @escaping @Sendable (_ endpoint: String) -> DeviceChoice, drainLimit: @escaping @Sendable (_ endpoint: String) -> Duration,
        registry: any WorkerRegistry, surroundings: Surroundings
    ) {
        self.registry = registry
        self.device = device
        self.drainLimit = drainLimit
        self.surroundings = surroundings
    }

    /// Calls `body` when a machine joins, comes back or offers other slots than before: there may be room.
    public func onRoom(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onRoom = body } }

    /// Counts workers of joined machines that an earlier gateway knew, until their agents speak or stay silent.
    public func expect(_ workers: [WorkerRecord]) {
        state.withLock { $0.ledger.expect(workers.map(FleetInstance.init), at: surroundings.now()) }
    }

    public func reconcile(_ target: FleetTarget) async throws {
        let (missing, machines) = state.withLock { state in
            let missing = state.ledger.reconcile(target, device: device(target.endpoint), at: surroundings.now()) { surroundings.makeID() }
            return (missing, state.ledger.machines.count { !$0.value.isDraining })
        }
        changes.publish([.worker])
        guard missing == 0 else {
            throw FleetProblem(
                .capacity,
                machines == 0
                    ? "no machine has joined"
                    : "\(missing) of its workers find no free slot on the \(machines) machine\(machines == 1 ? "" : "s") that joined")
        }
    }

    public func instances() async throws -> [FleetInstance] {
        if state.withLock({ $0.ledger.look(at: surroundings.now()) }) { try await sweep() }
        return state.withLock { $0.ledger.places.values.map(\.info).sorted { $0.id < $1.id } }
    }

    private func sweep() async throws {
        let known = try await known()
        let (departures, (gone, outOfReach)) = state.withLock { state in
            let swept = state.ledger.sweep(at: surroundings.now(), known: known)
            return (state.ledger.takeDepartures(), swept)
        }
        tell(departures)
        // What they hold is given back before they are told to be gone: a network that is cut is no job's fault.
        defer { tell(gone) }
        for id in outOfReach { if let worker = known[id] { try await registry.deregister(worker.id) } }
        try await drain(known)
    }

    private func known() async throws -> [InstanceID: WorkerRecord] {
        Dictionary(try await registry.workers().map { ($0.instance, $0) }) { $1 }
    }

    /// Those that finish without an agent, and those of machines that stop, take no more work.
    private func drain(_ known: [InstanceID: WorkerRecord]) async throws {
        let leaving = state.withLock { state in Set(state.ledger.places.values.map(\.machine)).reduce(into: Set()) { $0.formUnion(state.ledger.leaving($1)) } }
        let workers = leaving.compactMap { known[$0] }.filter { !$0.draining }.map(\.id)
        if !workers.isEmpty { try await registry.drain(workers) }
    }

    private func tell(_ interruptions: [FleetInterruption]) {
        for interruption in interruptions { ended.continuation.yield(interruption) }
        if !interruptions.isEmpty { changes.publish([.worker]) }
    }

    public func interruptions() -> AsyncStream<FleetInterruption> { ended.stream }

    /// The jobs that were at risk in a worker that ended; told once.
    public func takeJobsAtRisk(of instance: InstanceID) -> Set<JobID> {
        state.withLock { $0.atRisk.removeValue(forKey: instance) ?? [] }
    }
}

// What agents say and are told.
extension JoinedFleet {
    /// Takes a report. The workers of a machine that is about to stop, and those that lost their agent, shall take no more work.
    func hear(_ report: MachineReport, from access: WorkerAccess) async throws {
        let known = try await known()
        let (interruptions, onRoom) = try state.withLock { state in
            let before = state.ledger.machines[report.machine]
            let interruptions = try state.ledger.hear(report, from: access, known: known, at: surroundings.now())
            let ended = Set(interruptions.map(\.instance))
            for worker in report.ended where ended.contains(worker.instance) && !worker.atRisk.isEmpty && state.atRisk.count < 1024 {
                state.atRisk[worker.instance] = Set(worker.atRisk.prefix(10_000))
            }
            return (state.ledger.takeDepartures() + interruptions, state.ledger.machines[report.machine]?.mayHaveMoreRoom(than: before) == true ? state.onRoom : nil)
        }
        onRoom?()
        tell(interruptions)
        try await drain(known)
    }

    /// Whether an instance of this name may serve an endpoint: one that was ordered serves what it was ordered for.
    func mayRegister(_ instance: InstanceID, for endpoint: String) -> Bool {
        state.withLock { $0.ledger.places[instance].map { $0.info.endpoint == endpoint } ?? true }
    }

    /// Waits until something else ought to run on the machine than it reports, at most for `limit`. An agent that was told so already
    /// and does not do it hears it again after a pause, or the two would talk without end.
    func orders(after report: MachineReport, atMost limit: Duration) async throws -> MachineOrders {
        let running = Set(report.workers.filter { !$0.isStopping }.map(\.instance))
        let mayWait = report.ended.isEmpty && !report.isDraining
        var (left, pause) = (limit, Self.repeatAfter)
        while true {
            let (hints, start) = (changes.hints(.worker), surroundings.now())
            let orders = orders(for: report.machine)
            let wanted = Set(orders.workers.map(\.instance))
            let isNews = wanted != running && (pause <= .zero || state.withLock { $0.ledger.machines[report.machine]?.told != wanted })
            guard mayWait, left > .zero, !isNews else {
                state.withLock { $0.ledger.told(report.machine, wanted) }
                return orders
            }
            try await StoreChanges.wait(for: hints, atMost: wanted == running ? left : min(left, pause), in: surroundings)
            let passed = max(surroundings.now().since(start), .milliseconds(1))
            (left, pause) = (left - passed, pause - passed)
        }
    }

    private func orders(for machine: String) -> MachineOrders {
        let wanted = state.withLock { $0.ledger.wanted(on: machine) }
        return MachineOrders(
            workers: wanted.map {
                .init(
                    instance: $0.info.id, endpoint: $0.info.endpoint, variant: $0.info.variant, gpu: $0.gpu,
                    drainSeconds: drainLimit($0.info.endpoint).seconds)
            })
    }
}

extension MachineLedger.Machine {
    fileprivate func mayHaveMoreRoom(than before: Self?) -> Bool {
        guard let before, seenAt.since(before.seenAt) <= MachineLedger.patience else { return !isDraining }
        return !isDraining && (before.isDraining || before.slots != slots || before.endpoints != endpoints)
    }
}
