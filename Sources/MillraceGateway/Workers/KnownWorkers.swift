import MillraceCore
import MillraceQueue
import Synchronization

/// Which variant a worker serves: asked for at every lease, and never different for the same worker.
final class KnownWorkers: Sendable {
    struct Role: Sendable, Equatable {
        var endpoint: String
        var variant: String
        var instance: String
    }
    private static let rememberedMax = 4096
    private let roles = Mutex<[WorkerID: Role]>([:])
    /// When this gateway last told the store that a worker lives.
    private let touched = Mutex<[WorkerID: Timestamp]>([:])

    /// Whether the store has heard of the worker so lately that it need not hear again. To tell it costs a commit.
    func wasTouched(_ worker: WorkerID, within duration: Duration, at now: Timestamp) -> Bool {
        touched.withLock { touched in
            if let last = touched[worker], last <= now, now.since(last) < duration { return true }
            if touched.count >= Self.rememberedMax { touched.removeAll() }
            touched[worker] = now
            return false
        }
    }

    func remember(_ worker: WorkerID, as role: Role) {
        roles.withLock { roles in
            if roles.count >= Self.rememberedMax { roles.removeAll() }
            roles[worker] = role
        }
    }

    func forget(_ worker: WorkerID) {
        roles.withLock { _ = $0.removeValue(forKey: worker) }
        touched.withLock { _ = $0.removeValue(forKey: worker) }
    }

    /// - Throws: `worker_unknown`.
    func role(of worker: WorkerID, in queue: JobQueue) async throws -> Role {
        if let role = roles.withLock({ $0[worker] }) { return role }
        guard let record = try await queue.workers().first(where: { $0.id == worker }) else {
            throw MillraceError(.workerUnknown, "there is no worker \(worker)", hint: "register again")
        }
        let role = Role(endpoint: record.endpoint, variant: record.variant, instance: record.instance)
        remember(worker, as: role)
        return role
    }
}
