import Logging
import MillraceCloud
import MillraceCore
import MillraceQueue
import ServiceLifecycle

/// Whose the workers of a fleet are.
public enum FleetOwnership: Sendable {
    /// This process's alone, as are processes that it started: it scales them whatever other gateways do.
    case own
    /// All gateways'. Only the one that leads starts and stops workers; the others look on.
    case shared
}

/// Holds each endpoint's fleet at the number of workers that its policy and its budget ask for.
///
/// It looks when it hears that backlog or workers changed, and now and then all the same, since a hint may be lost. What to do is decided by
/// a ``FleetStateMachine`` for each fleet; here it is carried out, in an order that makes a crash harmless: what was decided is
/// kept first, then workers are marked as draining, and only then the fleet is asked to start and to retire. Who has lost the lead learns it
/// from the first of these and does nothing.
public struct ScalingController: Service {
    let store: any Store
    let fleet: any Fleet
    let ownership: FleetOwnership
    let endpoints: [EndpointConfiguration]
    let policy: any ScalingPolicy
    let leader: Leader
    let traces: WorkerTraces
    let surroundings: Surroundings
    let logger: Logger
    let observer: StoreObserver
    let machines: FleetMachines

    /// Looked at this often even if nothing is heard: a hint may be lost.
    static let intervalMax: Duration = .seconds(2)
    /// And no more often than this, whatever is heard: with work under way each job brings hints. The first hint after a quiet time
    /// is acted upon at once.
    static let intervalMin: Duration = .milliseconds(100)
    /// How long the lead stays with a gateway that is not heard of.
    public static let leadFor: Duration = .seconds(5)

    /// - Parameters:
    ///   - lease: how long a worker may be silent.
    public init(
        store: any Store, fleet: any Fleet, ownership: FleetOwnership = .own, endpoints: [EndpointConfiguration],
        policy: any ScalingPolicy = ConfiguredPolicy(), lease: Duration = .seconds(15), traces: WorkerTraces = WorkerTraces(),
        surroundings: Surroundings, logger: Logger
    ) {
        self.store = store
        self.fleet = fleet
        self.ownership = ownership
        self.endpoints = endpoints
        self.policy = policy
        // A fleet of its own is led by nobody else, and a role that lasts longer is written less often.
        leader = Leader(store, role: .scaling, for: ownership == .own ? max(lease, Self.leadFor) : Self.leadFor, surroundings: surroundings)
        self.traces = traces
        self.surroundings = surroundings
        self.logger = logger
        observer = StoreObserver(store: store, endpoints: endpoints, lease: lease, traces: traces, surroundings: surroundings)
        machines = FleetMachines(endpoints)
    }

    public func run() async throws {
        // Stopping is not failing: the loop ends quietly when it is cancelled.
        await cancelWhenGracefulShutdown { await scale() }
    }

    /// Runs beside the controller.
    public var accounting: FleetAccounting { FleetAccounting(controller: self) }

    /// The fleet says that it has more room than before.
    public func roomWasMade() {
        machines.updateAll { $0.roomWasMade() }
        store.changes.publish([.worker])
    }

    /// Writes what was not written yet, and lets another lead.
    package func leave() async {
        await keepTheRest()
        await leader.resign()
    }

    private func scale() async {
        while !Task.isCancelled {
            let hints = store.changes.hints([.backlog, .worker])
            let next = await step()
            try? await surroundings.sleep(Self.intervalMin)
            let limit = max((next ?? surroundings.now() + Self.intervalMax).since(surroundings.now()), .milliseconds(10))
            try? await StoreChanges.wait(for: hints, atMost: min(limit, Self.intervalMax), in: surroundings)
        }
    }

    /// One look at all fleets, and what it asks for.
    /// - Returns: when to look again.
    @discardableResult
    package func step() async -> Timestamp? {
        do {
            let leadership = try await leader.leadership()
            guard ownership == .own || leadership != nil else { return nil }
            try await machines.prepare(for: leadership, from: store, at: surroundings.now())
            var next: Timestamp?
            for sight in try await observer.look(fleet.instances()) {
                next = [next, try await act(on: sight, leadership)].compactMap(\.self).min()
            }
            return next
        } catch is CancellationError {
            return nil
        } catch {
            failed(error)
            return nil
        }
    }

    /// One fleet's trouble is not the others', but that of a lead that is lost is.
    private func act(on sight: FleetSight, _ leadership: Leadership?) async throws -> Timestamp? {
        let key = FleetKey(sight.observation)
        let (before, actions) = machines.update(key, at: surroundings.now()) { machine in
            let before = machine
            return (before, machine.look(sight, by: policy))
        }
        do {
            if let entry = actions.entry { try await keep(entry, before: before, leadership) }
            if !actions.recall.isEmpty { try await store.recall(actions.recall) }
            // Without anyone to mark it still tells whether this is the leader, which what is kept has told otherwise.
            if !actions.drain.isEmpty || ownership == .shared && actions.entry == nil { try await store.drain(actions.drain, by: leadership) }
            try await fleet.reconcile(stillWanted(actions.target, counting: sight))
            return actions.lookAgainAt
        } catch let problem as FleetProblem {
            logger.warning("a fleet could not start all workers", metadata: ["endpoint": "\(key.endpoint)", "problem": "\(problem.message)"])
            machines.update(key, at: surroundings.now()) { $0.refused(problem, at: surroundings.now()) }
            // It shall be seen, and tried again.
            return surroundings.now()
        } catch let error as MillraceError where error.code == .leadershipLost {
            throw error
        } catch {
            failed(error)
            return surroundings.now() + Self.intervalMax
        }
    }

    /// Who has gone since the look, while things were written, is not replaced before it is known why: nobody has decided that.
    private func stillWanted(_ target: FleetTarget, counting sight: FleetSight) async throws -> FleetTarget {
        let there = Set(try await fleet.instances().map(\.id))
        var target = target
        // Who has registered since may have work: it is marked first, as all are.
        let unknown = sight.observation.workers.filter { $0.id == nil && $0.isStarting && target.retire.contains($0.instance) }.map(\.instance)
        if !unknown.isEmpty {
            let registered = Set(try await store.workers().map(\.instance)).intersection(unknown)
            target.retire.subtract(registered)
            target.desired += registered.count
        }
        target.desired -= sight.observation.workers.count { !target.retire.contains($0.instance) && !there.contains($0.instance) }
        return target
    }

    /// What cannot be kept is not done, and said again at the next look.
    func keep(_ entry: ScalingEntry, before: FleetStateMachine, _ leadership: Leadership?) async throws {
        do {
            try await store.keep(entry, within: ScalingLimits(), by: leadership)
        } catch {
            machines.update(FleetKey(endpoint: before.endpoint, variant: before.variant), at: surroundings.now()) {
                $0.notKept(entry, before: before)
            }
            throw error
        }
        for decision in entry.decisions { log(decision) }
    }

    private func failed(_ error: any Error) {
        if let error = error as? MillraceError, error.code == .leadershipLost {
            leader.forget()
            logger.info("another gateway scales now")
        } else {
            logger.warning("a scaling step failed; the next one follows", metadata: ["error": "\(error)"])
        }
    }

    /// Usage that was not written yet.
    private func keepTheRest() async {
        let leadership = try? await leader.leadership()
        guard ownership == .own || leadership != nil else { return }
        for entry in machines.lastEntries(endpoints, at: surroundings.now()) {
            do { try await store.keep(entry, within: ScalingLimits(), by: leadership) } catch {
                logger.warning("the last use of workers could not be kept", metadata: ["error": "\(error)"])
            }
        }
    }

    private func log(_ decision: ScalingRecord) {
        logger.info(
            "scaling: \(decision.kind.rawValue)",
            metadata: [
                "endpoint": "\(decision.endpoint)", "workers.from": "\(decision.from)", "workers.to": "\(decision.to)", "reason": "\(decision.reason)",
            ])
    }
}
