import CGatheredLog
import GRDB
import GRDBSQLite
import Logging
import MillraceCore
import MillraceQueue

/// The store for one machine: one SQLite file, one writer, group commit.
///
/// - Durability: WAL with `synchronous=FULL`. A method that writes returns after its commit was synced to the disk.
/// - Writes that come at the same time share one transaction, each in a savepoint of its own, so that one sync serves them
///   all and a failing one changes nothing but itself.
/// - A write that was asked for is carried out even when its task is cancelled meanwhile, and its caller hears how it
///   ended; so giving a job back from a cancelled task works, and nobody is told of a failure that did not happen.
///   Reads end early with `CancellationError`.
/// - When the disk is full, writes throw `storage_full` and change nothing; the store works on when there is room again.
/// - Reads run on connections of their own and never wait for the writer. Other processes may read the file meanwhile.
///
/// Durations in columns (`runLimit`, backoff bounds, cold start) are kept to the millisecond.
public final class SQLiteStore: Sendable {
    public let changes = StoreChanges()
    let surroundings: Surroundings
    let pool: DatabasePool
    let lanes = LaneDirectory()
    private let writer: GroupCommitWriter
    var parked: ParkedLeases { writer.parked }

    /// Opens the store at `path` and creates or migrates its schema.
    ///
    /// - Throws: ``MillraceError`` `storage_full` or `unavailable` when the file cannot be opened.
    public init(
        path: String, options: SQLiteOptions = .init(), surroundings: Surroundings = .system,
        logger: Logger = Logger(label: "millrace.store.sqlite")
    ) throws {
        self.surroundings = surroundings
        do {
            guard gathered_log_install() == SQLITE_OK else { throw MillraceError(.unavailable, "SQLite could not be set up") }
            pool = try DatabasePool(path: path, configuration: options.configuration)
            // DatabasePool sets NORMAL when it opens a WAL database: a commit would not be synced.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try Schema.migrate(pool, path: path)
            try pool.writeWithoutTransaction { db in
                // Pages come into the log with a commit only, so that nothing of a transaction that is undone is held for it.
                try db.execute(sql: "PRAGMA cache_spill = OFF")
                if let pages = options.pagesMax { try db.execute(sql: "PRAGMA max_page_count = \(pages)") }
            }
        } catch {
            throw StoreError.mapped(error, path: path)
        }
        writer = GroupCommitWriter(
            pool: pool, lanes: lanes, changes: changes, surroundings: surroundings, options: options, logger: logger)
    }

    /// Waits for reads and writes under way and closes the file. Later calls throw `unavailable`.
    public func close() throws {
        // Not when it is closed already.
        try? pool.writeWithoutTransaction { _ in writer.forgetStatements() }
        try pool.close()
    }

    /// Runs one atomic step on the writer; when this returns, it is on the disk.
    func write<Value: Sendable>(
        _ urgency: WriteGathering.Urgency = .prompt, _ body: @escaping @Sendable (WriteStep) throws -> Value
    ) async throws -> Value {
        try await writer.write(urgency, body)
    }

    func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            return try await pool.read(body)
        } catch {
            throw StoreError.mapped(error, path: pool.path)
        }
    }

    func reading<Value: Sendable>(_ body: @Sendable (ReadStep) throws -> Value) async throws -> Value {
        try await read { [lanes] db in try body(ReadStep(db: db, lanes: lanes)) }
    }
}

/// One atomic step on the writer's connection.
struct WriteStep: JobReading {
    let db: Database
    let surroundings: Surroundings
    let ledger: StepLedger
    let handOuts: HandOuts
    let lanes: LaneDirectory
    let statements: HotStatements

    func statement(_ sql: HotSQL) throws -> RawStatement { try statements.statement(sql, in: db) }

    var now: Timestamp { surroundings.now() }

    func execute(_ sql: String, _ arguments: StatementArguments = StatementArguments()) throws {
        try db.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// Executes a guarded write and says how many rows it changed.
    func changing(_ sql: String, _ arguments: StatementArguments) throws -> Int {
        try execute(sql, arguments)
        return db.changesCount
    }
}

/// The limits of a ``SQLiteStore``.
public struct SQLiteOptions: Sendable {
    /// Writes that may wait for the writer; more are refused with `unavailable`.
    public var writesWaitingMax = 10_000
    /// Writes in one transaction.
    public var writesPerCommitMax = 500
    /// How long the report of an attempt may wait for a submit to be written with, while writes come one after the other.
    public var reportPatience: Duration = .milliseconds(4)
    /// Writes come one after the other when six of them came in this time.
    var reportWindow: Duration = .milliseconds(20)
    public var readersMax = 4
    /// How long to wait for another process that writes to the same file.
    public var busyTimeout: Duration = .seconds(10)
    /// Bounds the file at this many pages of 4096 bytes; `nil`: bounded by the disk.
    public var pagesMax: Int?

    public init() {}

    var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "millrace"
        configuration.maximumReaderCount = readersMax
        configuration.busyMode = .timeout(busyTimeout.seconds)
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY")
            // 40 MB of log between checkpoints: fewer stalls, and still a quick recovery.
            if !db.configuration.readonly { try db.execute(sql: "PRAGMA wal_autocheckpoint = 10000") }
        }
        return configuration
    }
}
