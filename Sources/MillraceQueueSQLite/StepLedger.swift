import GRDB
import MillraceCore
import MillraceQueue

/// What the transaction under way has changed beside its rows: counts of lanes, workers, topics to publish.
///
/// Kept here and written once for each transaction, not once for each job. Lives on the writer's queue only.
final class StepLedger {
    fileprivate struct LaneChange {
        /// By the number of the state.
        var counts = SIMD8<Int64>()
        /// The earliest time at which a job that came into the lane is due.
        var readyAt: Timestamp?
        var turn: Int64?
        var totals = SIMD4<Int64>()
    }
    fileprivate struct WorkerChange {
        /// When its work began or ended.
        var idleSince: Timestamp
        var seenAt: Timestamp?
        var lastRequest: Int64?
    }

    /// Some job waits that did not before.
    private(set) var hasQueued = false
    /// Some worker was given a job.
    private(set) var hasLent = false
    private let numbering: Numbering
    private let statements: HotStatements
    private var changes: [Int64: LaneChange] = [:]
    private var workers: [WorkerID: WorkerChange] = [:]
    private var jobs: [JobID] = []
    private var topics: [StoreChanges.Topic] = []
    private var freed: Set<StoreChanges.Topic> = []

    init(_ numbering: Numbering, _ statements: HotStatements) {
        self.numbering = numbering
        self.statements = statements
    }

    /// A place in the transaction that it can be taken back to. What was flushed since goes with the savepoint's rows.
    struct Mark {
        fileprivate var changes: [Int64: LaneChange]
        fileprivate var workers: [WorkerID: WorkerChange]
        fileprivate var jobs: Int
        fileprivate var topics: Int
        fileprivate var numbering: Numbering.Mark
    }

    var mark: Mark { Mark(changes: changes, workers: workers, jobs: jobs.count, topics: topics.count, numbering: numbering.mark) }

    func rollBack(to mark: Mark) {
        changes = mark.changes
        workers = mark.workers
        jobs.removeSubrange(mark.jobs...)
        topics.removeSubrange(mark.topics...)
        numbering.rollBack(to: mark.numbering)
    }

    /// Everything but single jobs.
    var changedTopics: Set<StoreChanges.Topic> { freed.union(topics) }
    /// Of these, where jobs may be due that were not; not where only others ended.
    var topicsWithWork: Set<StoreChanges.Topic> { Set(topics) }
    var changedJobs: [JobID] { jobs }

    func publish(_ topic: StoreChanges.Topic) {
        topics.append(topic)
    }

    /// What a transition of a job says. A job that ended makes none due, but may make room for one.
    func publish(_ topics: [StoreChanges.Topic], of job: Job? = nil) {
        for topic in topics {
            switch topic {
            case .job(let id): jobs.append(id)
            case .work where job?.state.isFinal == true: freed.insert(topic)
            // Runs of jobs say the same again and again.
            default: if !self.topics.suffix(3).contains(topic) { self.topics.append(topic) }
            }
        }
    }

    // MARK: Workers

    /// The work of a worker ended.
    func idle(_ worker: WorkerID, since time: Timestamp) {
        workers[worker, default: WorkerChange(idleSince: time)].idleSince = time
    }

    /// A worker was given jobs.
    func lent(to demand: LeaseDemand, at time: Timestamp) {
        hasLent = true
        let last = workers[demand.worker]?.lastRequest
        workers[demand.worker] = WorkerChange(idleSince: time, seenAt: time, lastRequest: demand.request ?? last)
    }

    // MARK: Lanes

    /// A job of a lane has another state; `nil`: it is new, or gone.
    /// - Parameter ran: how long its last attempt took, when it ended.
    func move(lane: Int64, from: JobState?, to: JobState?, runAt: Timestamp, ran: Duration = .zero) {
        if to == .queued {
            hasQueued = true
            let readyAt = changes[lane]?.readyAt
            changes[lane, default: LaneChange()].readyAt = min(readyAt ?? runAt, runAt)
        }
        guard from != to else { return }
        if let from { changes[lane, default: LaneChange()].counts[from.number] -= 1 }
        if let to { changes[lane, default: LaneChange()].counts[to.number] += 1 }
        if from == nil { changes[lane, default: LaneChange()].totals[0] += 1 }
        if from == .running, to?.isFinal == true { changes[lane, default: LaneChange()].totals &+= SIMD4(0, 1, ran.milliseconds, 0) }
    }

    func served(lane: Int64, in db: Database) throws {
        changes[lane, default: LaneChange()].turn = try numbering.nextTurn(in: db)
    }

    func nextSequence(in db: Database) throws -> Int64 {
        try numbering.nextSequence(in: db)
    }

    /// Writes what has gathered; before anything reads it, and before the commit.
    func flush(_ db: Database) throws {
        if !changes.isEmpty {
            var statement = try statements.statement(Self.updateLane, in: db)
            for (lane, change) in changes {
                for state in JobState.numbered.indices { statement.bind(change.counts[state]) }
                statement.bind(change.readyAt?.milliseconds ?? .max)
                statement.bind(change.turn ?? 0)
                for index in 0..<3 { statement.bind(change.totals[index]) }
                statement.bind(lane)
                try statement.run()
            }
            changes = [:]
        }
        if !workers.isEmpty {
            var statement = try statements.statement(Self.updateWorker, in: db)
            for (worker, change) in workers {
                statement.bind(change.idleSince)
                statement.bind(change.seenAt)
                if let request = change.lastRequest { statement.bind(request) } else { statement.bindNull() }
                statement.bind(worker)
                try statement.run()
            }
            workers = [:]
        }
    }

    private static let updateLane = HotSQL(
        """
        UPDATE lane SET queued = queued + ?, running = running + ?, succeeded = succeeded + ?, failed = failed + ?, \
        cancelled = cancelled + ?, expired = expired + ?, readyAt = min(readyAt, ?), turn = max(turn, ?), \
        admitted = admitted + ?, ended = ended + ?, runTime = runTime + ? WHERE id = ?
        """)

    private static let updateWorker = HotSQL(
        "UPDATE worker SET idleSince = ?, seenAt = coalesce(?, seenAt), lastRequest = coalesce(?, lastRequest) WHERE id = ?")
}
