import GRDB
import MillraceCore
import MillraceQueue

extension WriteStep {
    func append(_ events: [JobEvent.Detail], to key: Int64, at now: Timestamp) throws {
        for event in events {
            let sequence = try ledger.nextSequence(in: db)
            if case .progress(let progress) = event {
                // The last one only, and with its job.
                var statement = try statement(Self.updateProgress)
                statement.bind(try MillraceJSON.string(progress))
                statement.bind(now)
                statement.bind(sequence)
                statement.bind(key)
                try statement.run()
                continue
            }
            var statement = try statement(Self.insertEvent)
            statement.bind(key)
            statement.bind(sequence)
            statement.bind(now)
            switch event {
            case .state(let change):
                statement.bind(0)
                statement.bind(change.state.number)
                statement.bind(change.attempt)
                statement.bind(change.worker)
                statement.bind(change.runAt)
                statement.bind(change.reason)
            case .log(let line):
                statement.bind(2)
                statement.bind(line.level.number)
                statement.bindNull()
                statement.bindNull()
                statement.bindNull()
                statement.bind(line.message)
            case .progress: preconditionFailure("progress is kept with its job")
            }
            try statement.run()
        }
    }

    func insert(_ delivery: Delivery, job key: Int64) throws {
        try execute(
            """
            INSERT INTO delivery (id, job, url, state, event, snapshot, createdAt, dueAt, availableAt) \
            VALUES (?,?,?,?,?,?,?,?,?)
            """,
            [
                delivery.id.data, key, delivery.url, delivery.state.number, delivery.event,
                MillraceJSON.string(delivery.snapshot), delivery.createdAt.milliseconds, delivery.dueAt.milliseconds,
                delivery.dueAt.milliseconds,
            ])
    }

    private static let insertEvent = HotSQL(
        "INSERT INTO event (job, sequence, at, kind, code, attempt, worker, runAt, text) VALUES (?,?,?,?,?,?,?,?,?)")

    private static let updateProgress = HotSQL(
        "UPDATE job SET progress = ?, progressAt = ?, progressSequence = ? WHERE key = ?")
}

extension ReadStep {
    /// The events of a job after a sequence number: its changes and log lines, and its progress where that comes between them.
    func events(of id: JobID, after sequence: Int64, limit: Int) throws -> [JobEvent] {
        var events: [JobEvent] = []
        var statement = try RawStatement(
            """
            SELECT sequence, at, kind, code, attempt, worker, runAt, text FROM event \
            WHERE job = (SELECT key FROM job WHERE id = ?) AND sequence > ? ORDER BY sequence LIMIT ?
            """, in: db)
        statement.bind(id)
        statement.bind(sequence)
        statement.bind(max(limit, 0))
        while try statement.step() {
            events.append(
                JobEvent(sequence: Int64(statement.int(0)), job: id, at: statement.time(1), detail: detail(statement)))
        }
        guard let progress = try progress(of: id), progress.sequence > sequence else { return events }
        let index = events.firstIndex { $0.sequence > progress.sequence } ?? events.count
        if index < limit { events.insert(progress, at: index) }
        return Array(events.prefix(max(limit, 0)))
    }

    private func progress(of id: JobID) throws -> JobEvent? {
        var statement = try RawStatement("SELECT progressSequence, progressAt, progress FROM job WHERE id = ? AND progressSequence IS NOT NULL", in: db)
        statement.bind(id)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        guard let progress: JobProgress = try JSONColumn.value(statement.text(2)) else { return nil }
        return JobEvent(sequence: Int64(statement.int(0)), job: id, at: statement.time(1), detail: .progress(progress))
    }

    private func detail(_ row: RawStatement) -> JobEvent.Detail {
        let text = row.text(7) ?? ""
        guard row.int(2) == 0 else { return .log(LogLine(stored: text, level: LogLine.Level(column: row.int(3)))) }
        return .state(
            StateChange(
                state: JobState(column: row.int(3)), attempt: row.int(4), worker: row.id(5), reason: text, runAt: row.optionalTime(6)))
    }
}

extension LogLine {
    /// A line that was cut when it was first made is not cut again.
    fileprivate init(stored message: String, level: Level) {
        self.init(level: level, message: "")
        self.message = message
    }
}
