import Logging
import MillraceCloud
import MillraceCore
import MillraceQueue
import ServiceLifecycle

/// Hears how the workers of a controller's fleet end, and keeps what they used. To be stopped after the fleet: that is when its workers
/// have drained, which nobody starts or stops any more.
public struct FleetAccounting: Service {
    let controller: ScalingController

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await controller.watchInterruptions()
            // A fleet without a word left to say is no reason to stop the server.
            try? await gracefulShutdown()
        }
        await controller.leave()
    }
}

extension ScalingController {
    func watchInterruptions() async {
        for await interruption in fleet.interruptions() { await heard(interruption) }
    }

    /// What the fleet says of one of its instances. The store is told whoever leads: that a worker is gone is a fact.
    package func heard(_ interruption: FleetInterruption) async {
        let key = FleetKey(endpoint: interruption.endpoint, variant: interruption.variant)
        do {
            switch interruption.reason {
            case .ended(let status, let expected, let tail):
                var end = WorkerEnd(
                    instance: interruption.instance, status: status, expected: expected,
                    readyAt: observer.readyAt(ofGone: interruption.instance), stderrTail: tail)
                // Its end is a fact, also where the store cannot be told.
                defer { ended(end, of: key) }
                end.readyAt = try await removeWorker(of: interruption.instance, status: status, stderrTail: tail) ?? end.readyAt
            case .notice(let time):
                await recall(interruption.instance, of: key, before: time)
            case .letGo(let why):
                machines.update(key, at: surroundings.now()) { $0.letGo(interruption.instance, why: why) }
            case .failed(let problem):
                machines.update(key, at: surroundings.now()) { $0.refused(problem, at: surroundings.now()) }
            }
        } catch {
            logger.warning("could not record the end of a worker; its leases will expire", metadata: ["error": "\(error)"])
        }
        store.changes.publish([.worker])
    }

    private func ended(_ end: WorkerEnd, of key: FleetKey) {
        let price = endpoints.first { $0.name == key.endpoint && $0.variant == key.variant }?.scaling.price
        machines.update(key, at: surroundings.now()) { $0.ended(end, price: price, at: surroundings.now()) }
        machines.updateAll { $0.roomWasMade() }
        guard end.readyAt == nil, !end.expected else { return }
        logger.error(
            "a worker died before it was ready",
            metadata: ["endpoint": "\(key.endpoint)", "status": "\(end.status)", "stderr": "\(end.stderrTail.suffix(600))"])
    }

    /// The worker of this instance is gone: its leases end now, not when they expire.
    /// - Returns: when it had become ready; `nil` when it never did.
    private func removeWorker(of instance: InstanceID, status: String, stderrTail: String) async throws -> Timestamp? {
        defer { traces.forget(instance) }
        guard let worker = try await store.workers().first(where: { $0.instance == instance }) else {
            // It said goodbye before it ended.
            return observer.readyAt(ofGone: instance)
        }
        if worker.jobsHeld > 0 {
            _ = try await store.abandon(worker: worker.id, atRisk: traces.jobsAtRisk(instance), reason: status, stderrTail: stderrTail)
        }
        try await store.deregister(worker.id)
        return worker.readyAt
    }

    /// The provider takes an instance away: its work goes back at once, uncounted and with its checkpoints, and it is given no more. The next
    /// look, which is near, writes it down; each recalls it again, also one that registers later, until it is gone.
    private func recall(_ instance: InstanceID, of key: FleetKey, before time: Timestamp) async {
        let worker = try? await store.workers().first { $0.instance == instance }
        machines.update(key, at: surroundings.now()) { $0.noticed(instance, held: worker?.jobsHeld, endsAt: time) }
        guard let worker else { return }
        do { try await store.recall([worker.id]) } catch {
            logger.warning(
                "what a provider takes away could not be recalled; it is done at the next look",
                metadata: ["endpoint": "\(key.endpoint)", "error": "\(error)"])
        }
    }
}
