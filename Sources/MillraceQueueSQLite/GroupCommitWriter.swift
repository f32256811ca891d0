import GRDB
import Logging
import MillraceCore
import MillraceQueue
import Synchronization

/// Runs writes that come at the same time in one transaction, so that one sync of the disk serves them all.
///
/// While one commit is being synced, new writes gather; the next transaction takes them together. Every write has a
/// savepoint, so a failing one is undone alone. When the transaction itself is lost (a full disk can take all of it
/// down, and so can one huge write), each of its writes is run again in a transaction of its own.
final class GroupCommitWriter: Sendable {
    private struct State {
        var waiting: [any PendingWrite] = []
        var isDraining = false
    }
    private let state = Mutex(State())
    private let pool: DatabasePool
    private let changes: StoreChanges
    private let surroundings: Surroundings
    private let options: SQLiteOptions
    private let logger: Logger

    init(pool: DatabasePool, changes: StoreChanges, surroundings: Surroundings, options: SQLiteOptions, logger: Logger) {
        self.pool = pool
        self.changes = changes
        self.surroundings = surroundings
        self.options = options
        self.logger = logger
    }

    /// - Note: Deliberately not cancellable; see ``SQLiteStore``.
    func write<Value: Sendable>(_ body: @escaping WriteBody<Value>) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            enqueue(Write(body: body, continuation: continuation))
        }
    }

    private func enqueue(_ write: any PendingWrite) {
        enum Step { case refuse, wait, drain }
        let step: Step = state.withLock { state in
            guard state.waiting.count < options.writesWaitingMax else { return .refuse }
            state.waiting.append(write)
            guard !state.isDraining else { return .wait }
            state.isDraining = true
            return .drain
        }
        switch step {
        case .refuse:
            write.end(with: MillraceError(
                .unavailable, "\(options.writesWaitingMax) writes already wait for the store", hint: "try again in a moment"))
        case .wait: break
        case .drain:
            // The writer's own serial queue, not the cooperative pool: commits block on the disk.
            pool.asyncWriteWithoutTransaction { db in self.drain(db) }
        }
    }

    private func drain(_ db: Database) {
        while let batch = nextBatch() {
            commit(batch[...], db)
        }
    }

    private func nextBatch() -> [any PendingWrite]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isDraining = false
                return nil
            }
            let batch = Array(state.waiting.prefix(options.writesPerCommitMax))
            state.waiting.removeFirst(batch.count)
            return batch
        }
    }

    private func commit(_ batch: ArraySlice<any PendingWrite>, _ db: Database) {
        let topics = ChangedTopics()
        do {
            try db.beginTransaction(.immediate)
        } catch {
            for write in batch { write.end(with: mapped(error)) }
            return
        }
        do {
            for write in batch { try run(write, topics, db, alone: batch.count == 1) }
            try db.commit()
        } catch {
            if db.isInsideTransaction { try? db.rollback() }
            guard batch.count > 1 else {
                for write in batch { write.end(with: mapped(error)) }
                return
            }
            logger.warning("a commit failed; its writes are tried one by one", metadata: ["error": "\(error)"])
            for index in batch.indices { commit(batch[index...index], db) }
            return
        }
        changes.publish(topics.all)
        for write in batch { write.end(with: nil) }
    }

    /// Runs a write in a savepoint. Throws only when the whole transaction must end.
    private func run(_ write: any PendingWrite, _ topics: ChangedTopics, _ db: Database, alone: Bool) throws {
        let step = WriteStep(db: db, surroundings: surroundings, topics: topics)
        guard !alone else { return try write.run(step) }
        let before = topics.all
        try db.cachedStatement(sql: "SAVEPOINT step").execute()
        do {
            try write.run(step)
        } catch {
            guard db.isInsideTransaction else { throw error }
            try db.cachedStatement(sql: "ROLLBACK TO step").execute()
            topics.all = before
            write.fail(mapped(error))
        }
        try db.cachedStatement(sql: "RELEASE step").execute()
    }

    private func mapped(_ error: any Error) -> any Error {
        StoreError.mapped(error, path: pool.path)
    }
}

typealias WriteBody<Value> = @Sendable (WriteStep) throws -> Value

/// Topics changed by the transaction under way. Lives on the writer's queue only.
final class ChangedTopics {
    var all: Set<StoreChanges.Topic> = []
}

private protocol PendingWrite: Sendable {
    /// Carries out the write and keeps its value until the commit.
    func run(_ step: WriteStep) throws
    /// Says that this write failed alone.
    func fail(_ error: any Error)
    /// Resumes the caller, exactly once: after the commit, or with the error that ended the transaction.
    func end(with error: (any Error)?)
}

private final class Write<Value: Sendable>: PendingWrite {
    private let body: WriteBody<Value>
    private let continuation: CheckedContinuation<Value, any Error>
    private let outcome = Mutex<Result<Value, any Error>?>(nil)

    init(body: @escaping WriteBody<Value>, continuation: CheckedContinuation<Value, any Error>) {
        self.body = body
        self.continuation = continuation
    }

    func run(_ step: WriteStep) throws {
        let value = try body(step)
        outcome.withLock { $0 = .success(value) }
    }

    func fail(_ error: any Error) {
        outcome.withLock { $0 = .failure(error) }
    }

    func end(with error: (any Error)?) {
        if let error { return continuation.resume(throwing: error) }
        guard let outcome = outcome.withLock({ $0 }) else { preconditionFailure("a write ended that was not run") }
        continuation.resume(with: outcome)
    }
}
