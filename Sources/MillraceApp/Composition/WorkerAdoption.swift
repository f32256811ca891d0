import Foundation
import Logging
import MillraceCloud
import MillraceCore
import MillraceLocal
import MillraceQueue

/// What a new server does about the workers of an earlier one that was killed: those that live are taken over, of the
/// others it is known that they are dead, so their jobs need not wait for a lease to expire.
struct WorkerAdoption: Sendable {
    let store: any Store
    let fleet: LocalFleet
    let data: DataDirectory
    let logger: Logger

    func run() async throws {
        for worker in try await store.workers() where isOurs(worker) {
            if adopt([worker]).isEmpty {
                _ = try await store.abandon(
                    worker: worker.id, atRisk: data.jobsAtRisk(of: worker.instance), reason: "it was gone when the server started again",
                    stderrTail: nil)
                try await store.deregister(worker.id)
            }
        }
    }

    /// Takes over those that live.
    func adopt(_ workers: [WorkerRecord]) -> [FleetInstance] {
        workers.filter(isOurs).compactMap { worker in
            let instance = FleetInstance(
                id: worker.instance, endpoint: worker.endpoint, variant: worker.variant, phase: .running, startedAt: worker.startedAt)
            guard fleet.adopt(instance, process: pid_t(worker.processID)) else { return nil }
            logger.info("took over a worker", metadata: ["worker.id": "\(worker.id)", "endpoint": "\(worker.endpoint)"])
            return instance
        }
    }

    private func isOurs(_ worker: WorkerRecord) -> Bool {
        worker.host == ProcessInfo.processInfo.hostName && worker.instance.hasPrefix("local:")
    }
}
