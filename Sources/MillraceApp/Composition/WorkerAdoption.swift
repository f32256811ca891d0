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
    let logger: Logger

    func run() async throws {
        let host = ProcessInfo.processInfo.hostName
        for worker in try await store.workers() where worker.host == host && worker.instance.hasPrefix("local:") {
            let instance = FleetInstance(
                id: worker.instance, endpoint: worker.endpoint, variant: worker.variant, phase: .running, startedAt: worker.startedAt)
            if fleet.adopt(instance, process: pid_t(worker.processID)) {
                logger.info("took over a worker", metadata: ["worker.id": "\(worker.id)", "endpoint": "\(worker.endpoint)"])
            } else {
                _ = try await store.abandon(worker: worker.id, reason: "it was gone when the server started again", stderrTail: nil)
                try await store.deregister(worker.id)
            }
        }
    }
}
