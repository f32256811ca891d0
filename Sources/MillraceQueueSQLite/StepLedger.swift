import GRDB
import MillraceCore
import MillraceQueue

/// What the transaction under way has changed beside its rows: counts of lanes, numbers given out, topics to publish.
///
/// Kept here and written once for each transaction, not once for each job. Lives on the writer's queue only.
final class StepLedger {
    fileprivate struct LaneChange {
        /// By the number of the state.
        var counts = SIMD8<Int64>()
        /// The earliest time at which a job that came into the lane is due.
        var readyAt: Timestamp?
        var turn: Int64?
    }
    fileprivate struct Numbers {
        var sequence: Int64
        var turn: Int64
        var areNew = false
    }

    private var changes: [Int64: LaneChange] = [:]
    private var numbers: Numbers?
    private var idleSince: [WorkerID: Timestamp] = [:]
    private var jobs: [JobID] = []
    private var topics: [StoreChanges.Topic] = []

    /// A place in the transaction that it can be taken back to. What was flushed since goes with the savepoint's rows.
    struct Mark {
        fileprivate var changes: [Int64: LaneChange]
        fileprivate var numbers: Numbers?
        fileprivate var idleSince: [WorkerID: Timestamp]
        fileprivate var jobs: Int
        fileprivate var topics: Int
    }

    var mark: Mark { Mark(changes: changes, numbers: numbers, idleSince: idleSince, jobs: jobs.count, topics: topics.count) }

    func rollBack(to mark: Mark) {
        changes = mark.changes
        numbers = mark.numbers
        idleSince = mark.idleSince
        jobs.removeSubrange(mark.jobs...)
        topics.removeSubrange(mark.topics...)
    }

    /// Everything but single jobs.
    var changedTopics: Set<StoreChanges.Topic> { Set(topics) }
    var changedJobs: [JobID] { jobs }

    func publish(_ topic: StoreChanges.Topic) {
        topics.append(topic)
    }

    func publish(_ topics: [StoreChanges.Topic]) {
        for topic in topics {
            // Runs of jobs say the same again and again.
            if case .job(let id) = topic { jobs.append(id) } else if !self.topics.suffix(3).contains(topic) { self.topics.append(topic) }
        }
    }

    /// The work of a worker began or ended.
    func idle(_ worker: WorkerID, since time: Timestamp) {
        idleSince[worker] = time
    }

    // MARK: Lanes

    /// A job of a lane has another state; `nil`: it is new, or gone.
    func move(lane: Int64, from: JobState?, to: JobState?, runAt: Timestamp) {
        if to == .queued {
            let readyAt = changes[lane]?.readyAt
            changes[lane, default: LaneChange()].readyAt = min(readyAt ?? runAt, runAt)
        }
        guard from != to else { return }
        if let from { changes[lane, default: LaneChange()].counts[from.number] -= 1 }
        if let to { changes[lane, default: LaneChange()].counts[to.number] += 1 }
    }

    func served(lane: Int64, in db: Database) throws {
        try loadNumbers(db)
        numbers!.turn += 1
        numbers!.areNew = true
        changes[lane, default: LaneChange()].turn = numbers!.turn
    }

    func nextSequence(in db: Database) throws -> Int64 {
        try loadNumbers(db)
        numbers!.sequence += 1
        numbers!.areNew = true
        return numbers!.sequence
    }

    private func loadNumbers(_ db: Database) throws {
        guard numbers == nil else { return }
        var statement = try RawStatement("SELECT sequence, turn FROM counter", in: db)
        numbers = try statement.step() ? Numbers(sequence: Int64(statement.int(0)), turn: Int64(statement.int(1))) : Numbers(sequence: 0, turn: 0)
        statement.reset()
    }

    /// Writes what has gathered; before anything reads it, and before the commit.
    func flush(_ db: Database) throws {
        if !changes.isEmpty {
            var statement = try RawStatement(
                """
                UPDATE lane SET queued = queued + ?, running = running + ?, succeeded = succeeded + ?, failed = failed + ?, \
                cancelled = cancelled + ?, expired = expired + ?, readyAt = min(readyAt, ?), turn = max(turn, ?) WHERE id = ?
                """, in: db)
            for (lane, change) in changes {
                for state in JobState.numbered.indices { statement.bind(change.counts[state]) }
                statement.bind(change.readyAt?.milliseconds ?? .max)
                statement.bind(change.turn ?? 0)
                statement.bind(lane)
                try statement.run()
            }
            changes = [:]
        }
        if !idleSince.isEmpty {
            var statement = try RawStatement("UPDATE worker SET idleSince = ? WHERE id = ?", in: db)
            for (worker, time) in idleSince {
                statement.bind(time)
                statement.bind(worker)
                try statement.run()
            }
            idleSince = [:]
        }
        if let numbers, numbers.areNew {
            var statement = try RawStatement(
                "INSERT INTO counter (only, sequence, turn) VALUES (0, ?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence, turn = excluded.turn",
                in: db)
            statement.bind(numbers.sequence)
            statement.bind(numbers.turn)
            try statement.run()
            self.numbers?.areNew = false
        }
    }
}
