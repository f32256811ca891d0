import MillraceCore
import MillraceQueue
import Synchronization

/// Which variant a worker serves: asked for at every lease, and never different for the same worker.
final class KnownWorkers: Sendable {
    struct Role: Sendable, Equatable {
        var endpoint: String
        var variant: String
    }
    private static let rememberedMax = 4096
    private let roles = Mutex<[WorkerID: Role]>([:])

    func remember(_ worker: WorkerID, as role: Role) {
        roles.withLock { roles in
            if roles.count >= Self.rememberedMax { roles.removeAll() }
            roles[worker] = role
        }
    }

    func forget(_ worker: WorkerID) {
        roles.withLock { _ = $0.removeValue(forKey: worker) }
    }

    /// - Throws: `worker_unknown`.
    func role(of worker: WorkerID, in queue: JobQueue) async throws -> Role {
        if let role = roles.withLock({ $0[worker] }) { return role }
        guard let record = try await queue.workers().first(where: { $0.id == worker }) else {
            throw MillraceError(.workerUnknown, "there is no worker \(worker)", hint: "register again")
        }
        let role = Role(endpoint: record.endpoint, variant: record.variant)
        remember(worker, as: role)
        return role
    }
}
