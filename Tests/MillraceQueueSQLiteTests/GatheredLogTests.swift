import CGatheredLog
import Foundation
import GRDB
import MillraceCore
import MillraceTestSupport
import Testing

/// The write-ahead log in large pieces, against SQLite's own way of writing it.
@Suite("A log that is written in large pieces")
struct GatheredLogTests {
    @Test("grows by a whole transaction, not page by page")
    func pieces() async throws {
        try #require(gathered_log_install() == 0)
        try await withTemporaryDirectory { directory in
            let path = directory.file("gathered.sqlite")
            let database = try open(path, pageSize: 4096)
            @Sendable func size() throws -> Int {
                try #require(FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int)
            }
            try await database.writeWithoutTransaction { db in
                let before = try size()
                try db.execute(sql: "BEGIN IMMEDIATE")
                // More pages than the cache holds: SQLite alone writes some of them now.
                for key in 0..<25 { try db.execute(sql: "INSERT INTO t VALUES (?, ?)", arguments: [key, Data(repeating: 1, count: 3500)]) }
                #expect(try size() == before)
                try db.execute(sql: "COMMIT")
                #expect(try size() >= before + 25 * 4096)
            }
        }
    }

    @Test("has what SQLite would have written", arguments: [512, 4096, 65536])
    func same(pageSize: Int) async throws {
        try #require(gathered_log_install() == 0)
        try await withTemporaryDirectory { directory in
            let path = directory.file("gathered.sqlite")
            let database = try open(path, pageSize: pageSize)
            var random = SplitMix64(seed: UInt64(pageSize))
            for round in 0..<60 {
                try database.writeWithoutTransaction { try change($0, &random) }
                guard round % 6 == 5 else { continue }
                // As a killed process leaves it: what was handed to the system, read by a connection that holds nothing.
                let copy = directory.file("copy-\(round).sqlite")
                for suffix in ["", "-wal"] { try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix) }
                let left = try DatabaseQueue(path: copy)
                let (written, expected) = (try left.read(rows), try database.read(rows))
                #expect(written == expected && !written.isEmpty, "round \(round)")
                #expect(try left.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") } == "ok")
            }
        }
    }

    /// Commits of some and of many pages, more than the cache holds, with savepoints undone, rollbacks and checkpoints between.
    private func change(_ db: Database, _ random: inout SplitMix64) throws {
        let kind = random.next() % 10
        if kind == 0 { try db.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try db.execute(sql: "BEGIN IMMEDIATE")
        for _ in 0..<(kind == 1 ? 2000 : Int(random.next() % 30) + 1) {
            let (key, size) = (Int64(random.next() % 5000), Int(random.next() % 700))
            try db.execute(sql: "INSERT OR REPLACE INTO t VALUES (?, ?)", arguments: [key, Data(repeating: UInt8(key & 255), count: size)])
            if random.next() % 50 == 0 {
                try db.execute(sql: "SAVEPOINT s; DELETE FROM t WHERE key < \(key); ROLLBACK TO s; RELEASE s")
            }
        }
        try db.execute(sql: kind == 2 ? "ROLLBACK" : "COMMIT")
    }

    private func rows(_ db: Database) throws -> [Row] {
        try Row.fetchAll(db, sql: "SELECT key, length(value), value FROM t ORDER BY key")
    }

    private func open(_ path: String, pageSize: Int) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.prepareDatabase { db in
            try db.execute(
                sql: "PRAGMA page_size = \(pageSize); PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = 20")
        }
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try database.write { try $0.execute(sql: "CREATE TABLE t (key INTEGER PRIMARY KEY, value BLOB); CREATE INDEX i ON t (length(value))") }
        return database
    }
}
