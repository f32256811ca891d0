import Dispatch
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
        var gathering: WriteGathering
        var isDraining = false
        /// The writer waits on ``arrival``.
        var isWaiting = false
    }
    private let state: Mutex<State>
    /// A write came while the writer waited for one.
    private let arrival = DispatchSemaphore(value: 0)
    private let pool: DatabasePool
    private let changes: StoreChanges
    private let surroundings: Surroundings
    private let options: SQLiteOptions
    private let logger: Logger
    private let lanes: LaneDirectory
    // Unchecked: used on the writer's queue only.
    nonisolated(unsafe) private let statements = HotStatements()
    let parked = ParkedLeases()

    init(
        pool: DatabasePool, lanes: LaneDirectory, changes: StoreChanges, surroundings: Surroundings, options: SQLiteOptions, logger: Logger
    ) {
        state = Mutex(State(gathering: WriteGathering(patience: options.reportPatience, window: options.reportWindow)))
        self.pool = pool
        self.lanes = lanes
        self.changes = changes
        self.surroundings = surroundings
        self.options = options
        self.logger = logger
    }

    /// - Note: Deliberately not cancellable; see ``SQLiteStore``.
    func write<Value: Sendable>(_ urgency: WriteGathering.Urgency, _ body: @escaping WriteBody<Value>) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            enqueue(Write(body: body, continuation: continuation), urgency)
        }
    }

    /// On the writer's queue, before it closes.
    func forgetStatements() {
        statements.forget()
    }

    private func enqueue(_ write: any PendingWrite, _ urgency: WriteGathering.Urgency) {
        enum Step { case refuse, wait, wake, drain }
        let step: Step = state.withLock { state in
            guard state.gathering.waiting.count < options.writesWaitingMax else { return .refuse }
            state.gathering.add(write, urgency, at: Surroundings.monotonic())
            guard state.isDraining else {
                state.isDraining = true
                return .drain
            }
            guard state.isWaiting, urgency != .patient else { return .wait }
            state.isWaiting = false
            return .wake
        }
        switch step {
        case .refuse:
            write.end(with: MillraceError(
                .unavailable, "\(options.writesWaitingMax) writes already wait for the store", hint: "try again in a moment"))
        case .wait: break
        case .wake: arrival.signal()
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

    /// Waits on the writer's own thread, as a commit does for the disk.
    private func nextBatch() -> [any PendingWrite]? {
        while true {
            let next = state.withLock { state in
                let next = state.gathering.next(atMost: options.writesPerCommitMax, at: Surroundings.monotonic())
                switch next {
                case .nothing: state.isDraining = false
                case .batch: break
                case .wait: state.isWaiting = true
                }
                return next
            }
            switch next {
            case .nothing: return nil
            case .batch(let batch): return batch
            case .wait(let until):
                let left = Surroundings.monotonic().duration(to: until)
                guard arrival.wait(timeout: .now() + .nanoseconds(Int(left.seconds * 1e9))) == .timedOut else { continue }
                // One that came at this moment has signalled, or is about to: nothing else waits on it.
                if state.withLock({ state in
                    defer { state.isWaiting = false }
                    return !state.isWaiting
                }) { arrival.wait() }
            }
        }
    }

    private func commit(_ batch: ArraySlice<any PendingWrite>, _ db: Database) {
        let ledger = StepLedger()
        var handedOut: [HandOut] = []
        do {
            try db.beginTransaction(.immediate)
        } catch {
            for write in batch { write.end(with: mapped(error)) }
            return
        }
        do {
            for write in batch { try run(write, ledger, db, alone: batch.count == 1) }
            handedOut = try handOut(ledger, db)
            try ledger.flush(db)
            try db.commit()
        } catch {
            if db.isInsideTransaction { try? db.rollback() }
            lanes.forget()
            takeBack(handedOut)
            guard batch.count > 1 else {
                for write in batch { write.end(with: mapped(error)) }
                return
            }
            logger.warning("a commit failed; its writes are tried one by one", metadata: ["error": "\(error)"])
            for index in batch.indices { commit(batch[index...index], db) }
            return
        }
        // Workers first: they begin, while submitters have their answer either way.
        for given in handedOut { give(given) }
        for write in batch { write.end(with: nil) }
        changes.publish(ledger.changedTopics, jobs: ledger.changedJobs)
    }

    /// Runs a write in a savepoint. Throws only when the whole transaction must end.
    private func run(_ write: any PendingWrite, _ ledger: StepLedger, _ db: Database, alone: Bool) throws {
        let step = step(db, ledger)
        guard !alone else { return try write.run(step) }
        let mark = ledger.mark
        try db.cachedStatement(sql: "SAVEPOINT step").execute()
        do {
            try write.run(step)
        } catch {
            guard db.isInsideTransaction else { throw error }
            try db.cachedStatement(sql: "ROLLBACK TO step").execute()
            ledger.rollBack(to: mark)
            lanes.forget()
            write.fail(mapped(error))
        }
        try db.cachedStatement(sql: "RELEASE step").execute()
    }

    private typealias HandOut = (parked: ParkedLease, rows: [JobRow])

    /// Gives what this transaction made ready to workers that wait, in the same commit: a job that comes while a worker
    /// waits is durable and leased by one sync.
    private func handOut(_ ledger: StepLedger, _ db: Database) throws -> [HandOut] {
        var given: [HandOut] = []
        do {
            for case .work(let endpoint, let variant) in ledger.changedTopics {
                while let waiting = parked.next(endpoint: endpoint, variant: variant) {
                    do {
                        // A worker that gets nothing whatever there is shall ask again, and hear why.
                        let rows = try step(db, ledger).lease(waiting.demand)
                        given.append((waiting, rows ?? []))
                        guard let rows, rows.isEmpty else { continue }
                        given.removeLast()
                        parked.put(back: waiting)
                        break
                    } catch is MillraceError {
                        given.append((waiting, []))
                    }
                }
            }
        } catch {
            takeBack(given)
            throw error
        }
        return given
    }

    private func takeBack(_ handedOut: [HandOut]) {
        for given in handedOut.reversed() { parked.put(back: given.parked) }
    }

    /// Gives leased jobs to who waited. When the wait ended meanwhile, they go back: nobody would run them.
    private func give(_ given: HandOut) {
        guard !given.parked.end(with: given.rows), !given.rows.isEmpty else { return }
        let back =
            ForgottenWrite { step in
                for row in given.rows {
                    guard let row = try JobRow.find(row.job.id, in: step), let token = row.job.lease?.token,
                        given.rows.contains(where: { $0.job.lease?.token == token })
                    else { continue }
                    if let transition = JobTransition.giveBack(row.job, in: step.surroundings) { try step.apply(transition, to: row) }
                }
            }
        enqueue(back, .prompt)
    }

    private func step(_ db: Database, _ ledger: StepLedger) -> WriteStep {
        WriteStep(db: db, surroundings: surroundings, ledger: ledger, lanes: lanes, statements: statements)
    }

    private func mapped(_ error: any Error) -> any Error {
        StoreError.mapped(error, path: pool.path)
    }
}

typealias WriteBody<Value> = @Sendable (WriteStep) throws -> Value

protocol PendingWrite: Sendable {
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

/// A write that nobody waits for. When it fails, the leases that it would have ended run out.
private final class ForgottenWrite: PendingWrite {
    private let body: WriteBody<Void>

    init(_ body: @escaping WriteBody<Void>) {
        self.body = body
    }

    func run(_ step: WriteStep) throws { try body(step) }
    func fail(_ error: any Error) {}
    func end(with error: (any Error)?) {}
}
