import Logging
import MillraceCore
import ServiceLifecycle

/// Removes finished jobs after their endpoint's retention, and then the blobs that no job uses any more.
public struct RetentionService: Service {
    private let store: any JobStore & BlobCatalog & LeadershipStore
    private let policy: RetentionPolicy
    private let leader: Leader
    private let endpoints: @Sendable () async -> [EndpointRetention]
    private let deleteBlob: @Sendable (BlobID) async throws -> Void
    private let surroundings: Surroundings
    private let logger: Logger

    /// - Parameters:
    ///   - endpoints: The endpoints and their retention, asked for in each round. Jobs of others are kept.
    ///   - deleteBlob: Deletes a blob's bytes; those of a blob that is not there is no error.
    public init(
        _ store: any JobStore & BlobCatalog & LeadershipStore, policy: RetentionPolicy = .init(),
        endpoints: @escaping @Sendable () async -> [EndpointRetention],
        surroundings: Surroundings = .system, logger: Logger = Logger(label: "millrace.retention"),
        deleteBlob: @escaping @Sendable (BlobID) async throws -> Void
    ) {
        self.store = store
        self.policy = policy
        leader = Leader(store, role: .retention, for: max(policy.interval * 2, .seconds(1)), surroundings: surroundings)
        self.endpoints = endpoints
        self.deleteBlob = deleteBlob
        self.surroundings = surroundings
        self.logger = logger
    }

    public func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { [self] in
                while true {
                    try await round()
                    try await surroundings.sleep(policy.interval)
                }
            }
        } catch is CancellationError {
            await leader.resign()
        }
    }

    /// Removes what may go now, in bounded steps. A failure ends the round; the next one begins again.
    package func round() async throws {
        var round = RetentionRound(await endpoints(), policy, at: surroundings.now())
        do {
            guard let leadership = try await leader.leadership() else { return }
            while let step = round.next {
                try Task.checkCancellation()
                round.done(removed: try await carryOut(step, by: leadership))
            }
        } catch let error as CancellationError {
            throw error
        } catch let error as MillraceError where error.code == .leadershipLost {
            leader.forget()
        } catch {
            logger.error("the retention round failed", metadata: ["error": "\(error)"])
        }
    }

    /// - Returns: how many were removed; fewer than a batch when nothing is left, or nothing more can be done.
    private func carryOut(_ step: RetentionRound.Step, by leader: Leadership) async throws -> Int {
        switch step {
        case .prune(let endpoint, let now):
            let count = try await store.prune(endpoint, at: now, limit: policy.batchMax, by: leader)
            if count > 0 { logger.debug("pruned jobs", metadata: ["job.endpoint": "\(endpoint.endpoint)", "jobs": "\(count)"]) }
            return count
        case .collect(let pendingBefore, let unusedBefore):
            let claimed = try await store.claimUnused(
                pendingBefore: pendingBefore, unusedBefore: unusedBefore, limit: policy.batchMax, by: leader)
            let deleted = await delete(claimed)
            if !deleted.isEmpty { try await store.forget(deleted) }
            return deleted.count
        }
    }

    /// Deletes bytes. A blob that cannot be deleted keeps its row in `deleting`, and comes again in the next round.
    private func delete(_ blobs: [BlobID]) async -> [BlobID] {
        var deleted: [BlobID] = []
        for blob in blobs {
            do {
                try await deleteBlob(blob)
                deleted.append(blob)
            } catch {
                logger.warning("a blob could not be deleted", metadata: ["blob.id": "\(blob)", "error": "\(error)"])
            }
        }
        return deleted
    }
}
