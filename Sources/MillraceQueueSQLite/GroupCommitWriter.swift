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
    // Unchecked: on the writer's queue, as these.
    nonisolated(unsafe) private let numbering: Numbering
    let parked = ParkedLeases()

    init(
        pool: DatabasePool, lanes: LaneDirectory, changes: StoreChanges, surroundings: Surroundings, options: SQLiteOptions, logger: Logger
    ) {
        state = Mutex(State(gathering: WriteGathering(patience: options.reportPatience, window: options.reportWindow)))
        numbering = Numbering(statements)
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
            enqueue(Write(body: body, isLook: urgency == .look, continuation: continuation), urgency)
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
            guard state.isWaiting else { return .wait }
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
        var open: Transaction?
        while true {
            switch next() {
            case .nothing:
                // The next write often comes soon, and to wake this thread costs less than to begin anew.
                guard wait(until: Surroundings.monotonic() + Self.lingering, elseEnd: true) else { return }
            case .run(let writes):
                open = run(writes, in: open, db)
                guard open?.ledger.hasLent ?? true else { continue }
                // A worker waits for its answer, or all is lost.
                if let transaction = open { commit(transaction, db) }
                open = nil
                state.withLock { $0.gathering.transactionEnded() }
            case .commit(let writes):
                if let transaction = run(writes, in: open, db, isLast: true) { commit(transaction, db) }
                open = nil
            case .wait(let until): _ = wait(until: until)
            }
        }
    }

    private static let lingering: Duration = .milliseconds(10)

    private func next() -> WriteGathering.Next {
        state.withLock { state in
            let next = state.gathering.next(atMost: options.writesPerCommitMax, at: Surroundings.monotonic())
            switch next {
            case .nothing, .wait: state.isWaiting = true
            case .run, .commit: break
            }
            return next
        }
    }

    /// Waits on the writer's own thread, as a commit does for the disk.
    /// - Parameter elseEnd: when nothing has come, the drain is over.
    /// - Returns: whether a write came.
    private func wait(until: ContinuousClock.Instant, elseEnd: Bool = false) -> Bool {
        let left = Surroundings.monotonic().duration(to: until)
        guard arrival.wait(timeout: .now() + .nanoseconds(Int(left.seconds * 1e9))) == .timedOut else { return true }
        let hasCome = state.withLock { state in
            guard state.isWaiting else { return true }
            state.isWaiting = false
            if elseEnd { state.isDraining = false }
            return false
        }
        // One that came at this moment has signalled, or is about to: nothing else waits on it.
        if hasCome { arrival.wait() }
        return hasCome
    }

    /// One transaction, open until it is committed.
    private final class Transaction {
        let ledger: StepLedger
        let handOuts: HandOuts
        var writes: [any PendingWrite] = []

        init(ledger: StepLedger, handOuts: HandOuts) {
            self.ledger = ledger
            self.handOuts = handOuts
        }
    }

    /// Runs writes in the open transaction, or begins one. `nil` when it is lost: then all of its writes were run one by one, and
    /// have ended.
    private func run(_ writes: [any PendingWrite], in open: Transaction?, _ db: Database, isLast: Bool = false) -> Transaction? {
        let transaction: Transaction
        if let open {
            transaction = open
        } else {
            do {
                try execute(Self.begin, db)
            } catch {
                for write in writes { write.end(with: mapped(error)) }
                return nil
            }
            numbering.transactionBegins()
            transaction = Transaction(ledger: StepLedger(numbering, statements), handOuts: HandOuts(parked))
        }
        let isAlone = isLast && open == nil && writes.count == 1
        for (index, write) in writes.enumerated() {
            transaction.writes.append(write)
            do {
                // What others have left to write is not the look's.
                if write.isLook { try transaction.ledger.flush(db) }
                let changes = db.totalChangesCount
                try run(write, transaction, db, alone: isAlone)
                // What looked in vain has nothing to wait for.
                guard !isLast, write.isLook, db.totalChangesCount == changes else { continue }
                transaction.writes.removeLast()
                write.end(with: nil)
            } catch {
                transaction.writes += writes[(index + 1)...]
                undo(transaction, db, error)
                return nil
            }
        }
        return transaction
    }

    private func commit(_ transaction: Transaction, _ db: Database) {
        do {
            try handOut(transaction, db)
            try transaction.ledger.flush(db)
            try execute(Self.commit, db)
        } catch {
            return undo(transaction, db, error)
        }
        // Workers first: they begin, while submitters have their answer either way.
        for given in transaction.handOuts.given { give(given) }
        for write in transaction.writes { write.end(with: nil) }
        changes.publish(transaction.ledger.changedTopics, jobs: transaction.ledger.changedJobs)
    }

    /// The transaction is lost, and with it what all of its writes did.
    private func undo(_ transaction: Transaction, _ db: Database, _ error: any Error) {
        if db.isInsideTransaction { try? db.rollback() }
        lanes.forget()
        numbering.transactionIsLost()
        transaction.handOuts.rollBack(to: [])
        guard transaction.writes.count > 1 else {
            for write in transaction.writes { write.end(with: mapped(error)) }
            return
        }
        logger.warning("a commit failed; its writes are tried one by one", metadata: ["error": "\(error)"])
        for write in transaction.writes {
            if let again = run([write], in: nil, db, isLast: true) { commit(again, db) }
        }
    }

    /// Runs a write in a savepoint. Throws only when the whole transaction must end.
    private func run(_ write: any PendingWrite, _ transaction: Transaction, _ db: Database, alone: Bool) throws {
        let step = step(db, transaction)
        guard !alone else { return try write.run(step) }
        let (mark, given) = (transaction.ledger.mark, transaction.handOuts.given)
        try execute(Self.savepoint, db)
        do {
            try write.run(step)
        } catch {
            guard db.isInsideTransaction else { throw error }
            try execute(Self.rollBackToSavepoint, db)
            transaction.ledger.rollBack(to: mark)
            transaction.handOuts.rollBack(to: given)
            lanes.forget()
            write.fail(mapped(error))
        }
        try execute(Self.release, db)
    }

    /// Gives what this transaction made ready to workers that wait.
    private func handOut(_ transaction: Transaction, _ db: Database) throws {
        let (ledger, handOuts) = (transaction.ledger, transaction.handOuts)
        let withWork = ledger.topicsWithWork
        for topic in ledger.changedTopics {
            guard case .work(let endpoint, let variant) = topic else { continue }
            let isNew = withWork.contains(topic)
            while let waiting = parked.next(where: {
                $0.endpoint == endpoint && $0.variant == variant && (isNew || $0.quotas.limitRunning)
            }) {
                do {
                    // A worker that gets nothing whatever there is shall ask again, and hear why.
                    let rows = try step(db, transaction).lease(waiting.demand)
                    guard let rows, rows.isEmpty else {
                        handOuts.add(waiting, rows ?? [])
                        continue
                    }
                    parked.put(back: waiting)
                    break
                } catch is MillraceError {
                    handOuts.add(waiting, [])
                } catch {
                    parked.put(back: waiting)
                    throw error
                }
            }
        }
    }

    /// Gives leased jobs to who waited. When the wait ended meanwhile, they go back: nobody would run them.
    private func give(_ given: HandOuts.HandOut) {
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

    private func step(_ db: Database, _ transaction: Transaction) -> WriteStep {
        WriteStep(
            db: db, surroundings: surroundings, ledger: transaction.ledger, handOuts: transaction.handOuts, lanes: lanes, statements: statements)
    }

    private static let begin = HotSQL("BEGIN IMMEDIATE")
    private static let commit = HotSQL("COMMIT")
    private static let savepoint = HotSQL("SAVEPOINT step")
    private static let rollBackToSavepoint = HotSQL("ROLLBACK TO step")
    private static let release = HotSQL("RELEASE step")

    private func execute(_ sql: HotSQL, _ db: Database) throws {
        var statement = try statements.statement(sql, in: db)
        try statement.run()
    }

    private func mapped(_ error: any Error) -> any Error {
        StoreError.mapped(error, path: pool.path)
    }
}

typealias WriteBody<Value> = @Sendable (WriteStep) throws -> Value

protocol PendingWrite: Sendable {
    /// Only looks, unless it finds something.
    var isLook: Bool { get }
    /// Carries out the write and keeps its value until the commit.
    func run(_ step: WriteStep) throws
    /// Says that this write failed alone.
    func fail(_ error: any Error)
    /// Resumes the caller, exactly once: after the commit, or with the error that ended the transaction.
    func end(with error: (any Error)?)
}

private final class Write<Value: Sendable>: PendingWrite {
    let isLook: Bool
    private let body: WriteBody<Value>
    private let continuation: CheckedContinuation<Value, any Error>
    private let outcome = Mutex<Result<Value, any Error>?>(nil)

    init(body: @escaping WriteBody<Value>, isLook: Bool, continuation: CheckedContinuation<Value, any Error>) {
        self.body = body
        self.isLook = isLook
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
    let isLook = false
    private let body: WriteBody<Void>

    init(_ body: @escaping WriteBody<Void>) {
        self.body = body
    }

    func run(_ step: WriteStep) throws { try body(step) }
    func fail(_ error: any Error) {}
    func end(with error: (any Error)?) {}
}
