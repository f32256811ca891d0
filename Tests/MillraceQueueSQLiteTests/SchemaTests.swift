import GRDB
import MillraceTestSupport
import Testing

@testable import MillraceQueueSQLite

@Suite("The SQLite schema")
struct SchemaTests {
    /// Frozen: an id that was released stays, with its statements. A change of the schema is a new migration.
    @Test("has the migrations that were released, unchanged")
    func frozen() {
        #expect(Schema.migrations.map(\.id) == ["001-jobs", "002-events", "003-blobs", "004-workers-deliveries-keys", "005-lanes", "006-worker-keys", "007-scaling"])
        #expect(Set(Schema.migrations.map(\.id)).count == Schema.migrations.count)
        let digests = Schema.migrations.map { fnv1a($0.sql) }
        #expect(digests == SchemaTests.released, "the statements of a released migration have changed")
    }

    @Test("is made once and opened again")
    func reopen() async throws {
        try await withTemporaryDirectory { directory in
            for _ in 0..<2 {
                let store = try SQLiteStore(path: directory.file("store.sqlite"))
                let applied = try await store.pool.read { try Schema.migrator.appliedIdentifiers($0) }
                #expect(applied == Set(Schema.migrations.map(\.id)))
                try store.close()
            }
        }
    }

    @Test("is written in WAL mode with full synchronization, which opening alone does not set")
    func pragmas() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"))
            let pragmas = try await store.pool.writeWithoutTransaction { db in
                (try Int.fetchOne(db, sql: "PRAGMA synchronous"), try String.fetchOne(db, sql: "PRAGMA journal_mode"))
            }
            #expect(pragmas.0 == 2)
            #expect(pragmas.1 == "wal")
        }
    }

    @Test("answers what the queue asks all the time from its own index, without sorting", arguments: JobQuery.allCases)
    func plans(query: JobQuery) async throws {
        let plan = try await plan("SELECT \(JobRow.columns) FROM job \(query.rawValue)")
        // Those that run are few, and sorted when they are looked at.
        #expect(query == .leaseOver || !plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
        #expect(!plan.contains { $0.hasPrefix("SCAN") && query != .leaseOver }, "\(plan)")
    }

    @Test("counts the backlog without walking through the queue")
    func backlogPlan() async throws {
        let plan = try await plan(JobQuery.schedule)
        #expect(plan.count { $0.contains("USING COVERING INDEX job_ready") } == 3, "\(plan)")
        #expect(!plan.contains { $0.contains("SCAN job") || $0.contains("TEMP B-TREE") }, "\(plan)")
    }

    @Test(
        "answers lists and collections from an index, without sorting",
        arguments: [
            (
                "SELECT id FROM job INDEXED BY job_listed WHERE lane = ? AND state = ? AND key < ? ORDER BY key DESC LIMIT 5",
                "job_listed"
            ),
            (JobQuery.waitingLanes, "lane_waiting"),
            ("SELECT id FROM lane WHERE tenant = ?", "lane_of_tenant"),
            (
                "SELECT key FROM job INDEXED BY job_ready WHERE state = 0 AND lane = ? AND (runAt, key) < (?, ?) LIMIT 5",
                "job_ready"
            ),
            ("SELECT id FROM blob WHERE uses = 0 AND state < 2 AND createdAt < ? ORDER BY createdAt, id LIMIT 5", "blob_unused"),
            ("SELECT id FROM blob WHERE state = 2 ORDER BY id LIMIT 5", "blob_deleting"),
            ("SELECT id FROM delivery WHERE state = 0 AND availableAt <= ? ORDER BY availableAt, id LIMIT 5", "delivery_pending"),
            ("SELECT min(availableAt) FROM delivery WHERE state = 0", "delivery_pending"),
            ("SELECT sequence FROM event WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT 5", "PRIMARY KEY (job=? AND sequence>?)"),
        ])
    func plans(sql: String, index: String) async throws {
        let plan = try await plan(sql)
        #expect(plan.contains { $0.contains(index) }, "\(plan)")
        #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
    }

    private func plan(_ sql: String) async throws -> [String] {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory.file("store.sqlite"))
            return try await store.pool.read { db in
                let arguments = StatementArguments(Array(repeating: 0, count: sql.contains("?2") ? 2 : sql.count { $0 == "?" }))
                return try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments).map { $0["detail"] as String }
            }
        }
    }

    private static let released: [UInt64] = [
        6_613_142_547_079_739_901, 14_981_223_909_286_483_699, 1_869_929_885_941_019_360, 17_023_865_096_493_696_543,
        14_784_878_791_242_234_572, 13_230_435_583_776_060_669, 16_373_856_108_806_053_327,
    ]

    /// FNV-1a, 64 bits.
    private func fnv1a(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
