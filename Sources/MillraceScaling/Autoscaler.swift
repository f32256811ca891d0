import Logging
import MillraceCloud
import MillraceCore
import ServiceLifecycle
import Synchronization

/// What the autoscaler sees and may do in the job store; the app adapts its store to this.
public protocol ScalingSource: Sendable {
    /// One observation per variant that is configured, with `instances` that have not registered yet as starting.
    func observe(instances: [FleetInstance]) async throws -> [VariantObservation]
    /// - Throws: `leadership_lost` when another gateway has taken over.
    func drain(_ workers: [WorkerID]) async throws
    /// Whether this process leads the scaling of what gateways share.
    func leads() async throws -> Bool
    /// Gives the lead back, so that another gateway need not wait for its end.
    func resign() async
    /// The worker of this instance is gone: its leases end now, not when they expire.
    func workerEnded(instance: InstanceID, of endpoint: String, status: String, stderrTail: String) async throws -> WorkerEnding
    /// Gives whoever waits on the hints one.
    func nudge()
    /// A stream of hints that backlog or workers changed.
    func hints() -> AsyncStream<Void>
}

/// What the store knew of a worker that ended.
public enum WorkerEnding: Sendable, Equatable {
    /// It never finished to start.
    case neverReady
    case wasReady
}

/// Whose the workers of a fleet are.
public enum FleetOwnership: Sendable {
    /// This process's alone, as are processes that it started: it scales them whatever other gateways do.
    case own
    /// All gateways'. Only the one that leads starts and stops workers; the others look on.
    case shared
}

/// Holds each fleet at the number of workers that the policy asks for.
public struct Autoscaler: Service {
    private let source: any ScalingSource
    private let fleet: any Fleet
    private let ownership: FleetOwnership
    private let policy: any ScalingPolicy
    private let surroundings: Surroundings
    private let logger: Logger
    /// Looked at this often even if nothing is heard: a hint may be lost.
    private let intervalMax: Duration = .seconds(2)
    /// And no more often than this, whatever is heard: with work under way each job brings hints. The first hint after a quiet time
    /// is acted upon at once.
    private let intervalMin: Duration = .milliseconds(100)
    private let backoffs = SharedBackoffs()

    public init(
        source: any ScalingSource, fleet: any Fleet, ownership: FleetOwnership = .own, policy: any ScalingPolicy,
        surroundings: Surroundings, logger: Logger
    ) {
        self.source = source
        self.fleet = fleet
        self.ownership = ownership
        self.policy = policy
        self.surroundings = surroundings
        self.logger = logger
    }

    public func run() async throws {
        // Stopping is not failing: both loops end quietly when they are cancelled.
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await watchInterruptions() }
                group.addTask { await scale() }
            }
        }
        await source.resign()
    }

    private func scale() async {
        var memory = RegistrationMemory()
        while !Task.isCancelled {
            let hints = source.hints()
            var next = surroundings.now() + intervalMax
            do {
                next = min(next, try await step(&memory) ?? next)
            } catch is CancellationError {
                return
            } catch let error as MillraceError where error.code == .leadershipLost {
                logger.info("another gateway scales now")
            } catch {
                logger.warning("scaling step failed; the next one follows", metadata: ["error": "\(error)"])
            }
            try? await surroundings.sleep(intervalMin)
            await wait(for: hints, until: next)
        }
    }

    /// - Returns: when to look again.
    private func step(_ memory: inout RegistrationMemory) async throws -> Timestamp? {
        if ownership == .shared { guard try await source.leads() else { return nil } }
        var next: Timestamp?
        for observation in memory.corrected(try await source.observe(instances: fleet.instances())) {
            let decision = policy.decide(observation)
            if !decision.drain.isEmpty { try await source.drain(decision.drain) }
            next = [next, decision.lookAgainAt, try await apply(decision, to: observation)].compactMap { $0 }.min()
        }
        return next
    }

    private func apply(_ decision: ScalingDecision, to observation: VariantObservation) async throws -> Timestamp? {
        let retire = observation.workers.filter { $0.activity == .draining(holdsWork: false) }
        let serving = observation.workers.count { !$0.isDraining }
        // One that said goodbye and has not ended yet still has its place: its end, which is near, tells whether it was a failure.
        let leaving = observation.workers.count { $0.id == nil && $0.isDraining }
        var desired = max(serving, decision.desired - leaving)
        var retryAt: Timestamp?
        if desired > serving, let until = backoffs.of(observation.variantKey).waitsUntil(surroundings.now()) {
            desired = serving
            retryAt = until
        }
        if desired > serving {
            logger.info(
                "starting workers",
                metadata: ["endpoint": "\(observation.endpoint)", "workers.now": "\(serving)", "workers.desired": "\(desired)"])
        }
        let protected = observation.workers.filter { $0.activity == .busy || $0.activity == .draining(holdsWork: true) }
        try await fleet.reconcile(
            FleetTarget(
                endpoint: observation.endpoint, variant: observation.variant,
                // Draining workers that still work are in the fleet, so they are part of what it should have.
                desired: desired + observation.workers.count { $0.activity == .draining(holdsWork: true) },
                retire: Set(retire.map(\.instance)),
                protectUntil: Dictionary(
                    uniqueKeysWithValues: protected.map { ($0.instance, surroundings.now() + .seconds(120)) })))
        return retryAt
    }

    private func watchInterruptions() async {
        for await interruption in fleet.interruptions() {
            guard case .ended(let status, let expected, let tail) = interruption.reason else { continue }
            let key = "\(interruption.endpoint)/\(interruption.variant)"
            do {
                let ending = try await source.workerEnded(
                    instance: interruption.instance, of: interruption.endpoint, status: status, stderrTail: tail)
                if expected || ending == .wasReady {
                    backoffs.update(key) { $0.succeeded() }
                } else {
                    backoffs.update(key) { $0.failed(at: surroundings.now()) }
                    logger.error(
                        "a worker died before it was ready",
                        metadata: ["endpoint": "\(interruption.endpoint)", "status": "\(status)", "stderr": "\(tail.suffix(600))"])
                }
            } catch {
                logger.warning("could not record the end of a worker; its leases will expire", metadata: ["error": "\(error)"])
            }
            source.nudge()
        }
    }

    private func wait(for hints: AsyncStream<Void>, until: Timestamp) async {
        let limit = max(until.since(surroundings.now()), .milliseconds(10))
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                var iterator = hints.makeAsyncIterator()
                _ = await iterator.next()
            }
            group.addTask { try? await surroundings.sleep(limit) }
            await group.next()
            group.cancelAll()
        }
    }
}

private final class SharedBackoffs: Sendable {
    private let state = Mutex<[String: StartBackoff]>([:])

    func of(_ key: String) -> StartBackoff { state.withLock { $0[key] ?? StartBackoff() } }
    func update(_ key: String, _ body: (inout StartBackoff) -> Void) { state.withLock { body(&$0[key, default: StartBackoff()]) } }
}

extension VariantObservation {
    fileprivate var variantKey: String { "\(endpoint)/\(variant)" }
}
