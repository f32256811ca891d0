import Logging
import MillraceCore
import ServiceLifecycle

/// Removes finished jobs after their endpoint's retention, and then the blobs that no job uses any more.
public struct RetentionService: Service {
    private let store: any JobStore & BlobCatalog
    private let policy: RetentionPolicy
    private let endpoints: @Sendable () async -> [EndpointRetention]
    private let deleteBlob: @Sendable (BlobID) async throws -> Void
    private let surroundings: Surroundings
    private let logger: Logger

    /// - Parameters:
    ///   - endpoints: The endpoints and their retention, asked for in each round. Jobs of others are kept.
    ///   - deleteBlob: Deletes a blob's bytes; those of a blob that is not there is no error.
    public init(
        _ store: any JobStore & BlobCatalog, policy: RetentionPolicy = .init(),
        endpoints: @escaping @Sendable () async -> [EndpointRetention],
        surroundings: Surroundings = .system, logger: Logger = Logger(label: "millrace.retention"),
        deleteBlob: @escaping @Sendable (BlobID) async throws -> Void
    ) {
        self.store = store
        self.policy = policy
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
            return
        }
    }

    /// Removes what may go now, in bounded steps. A failure ends the round; the next one begins again.
    func round() async throws {
        var round = RetentionRound(await endpoints(), policy, at: surroundings.now())
        do {
            while let step = round.next {
                try Task.checkCancellation()
                round.done(removed: try await carryOut(step))
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            logger.error("the retention round failed", metadata: ["error": "\(error)"])
        }
    }

    /// - Returns: how many were removed; fewer than a batch when nothing is left, or nothing more can be done.
    private func carryOut(_ step: RetentionRound.Step) async throws -> Int {
        switch step {
        case .prune(let endpoint, let finishedBefore):
            let count = try await store.prune(endpoint: endpoint, finishedBefore: finishedBefore, limit: policy.batchMax)
            if count > 0 { logger.debug("pruned jobs", metadata: ["job.endpoint": "\(endpoint)", "jobs": "\(count)"]) }
            return count
        case .collect(let pendingBefore, let unusedBefore):
            let claimed = try await store.claimUnused(
                pendingBefore: pendingBefore, unusedBefore: unusedBefore, limit: policy.batchMax)
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
