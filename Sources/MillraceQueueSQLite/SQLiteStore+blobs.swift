import Foundation
import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: BlobCatalog {
    public func reserve(_ blobs: [BlobRecord]) async throws {
        try await write { step in
            for blob in blobs { try step.reserve(blob) }
        }
    }

    public func seal(_ id: BlobID, bytes: Int64, sha256: String, mediaType: String) async throws {
        try await write { step in
            let sealed = try step.changing(
                "UPDATE blob SET state = 1, bytes = ?, sha256 = ?, mediaType = ? WHERE id = ? AND state = 0",
                [bytes, sha256, mediaType, id.data])
            guard sealed == 1 else { throw MillraceError.blobMissing(id) }
        }
    }

    public func blob(_ id: BlobID) async throws -> BlobRecord? {
        try await read { db in
            let statement = try db.cachedStatement(
                sql: "SELECT tenant, state, createdAt, writer, filename, mediaType, bytes, sha256 FROM blob WHERE id = ?")
            return try Row.fetchOne(statement, arguments: [id.data]).map { row in
                BlobRecord(
                    id: id, tenant: row[0], state: BlobRecord.State(column: row[1]), createdAt: Timestamp(milliseconds: row[2]),
                    writer: (row[3] as Data?).map { JobID(column: $0) }, filename: row[4], mediaType: row[5], bytes: row[6],
                    sha256: row[7])
            }
        }
    }

    public func claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by leader: Leadership?) async throws -> [BlobID] {
        try await write { step in
            try step.check(leader)
            let left = try step.blobs("state = 2 ORDER BY id LIMIT ?", [max(limit, 0)])
            let claimed = try step.blobs(
                """
                uses = 0 AND state < 2 AND createdAt < ? AND createdAt < iif(state = 0, ?, ?) AND NOT EXISTS \
                (SELECT 1 FROM job WHERE job.id = blob.writer AND job.state = 1) ORDER BY createdAt, id LIMIT ?
                """,
                [
                    max(pendingBefore, unusedBefore).milliseconds, pendingBefore.milliseconds, unusedBefore.milliseconds,
                    max(limit - left.count, 0),
                ])
            for id in claimed {
                let changed = try step.changing("UPDATE blob SET state = 2 WHERE id = ? AND uses = 0 AND state < 2", [id.data])
                precondition(changed == 1, "a blob changed under the only writer's transaction")
            }
            return left + claimed
        }
    }

    public func forget(_ ids: [BlobID]) async throws {
        try await write { step in
            for id in ids { try step.execute("DELETE FROM blob WHERE id = ? AND state = 2", [id.data]) }
        }
    }
}

extension WriteStep {
    fileprivate func reserve(_ blob: BlobRecord) throws {
        let inserted = try changing(
            """
            INSERT INTO blob (id, tenant, state, createdAt, writer, filename, mediaType, bytes, sha256) \
            VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING
            """,
            [
                blob.id.data, blob.tenant, blob.state.number, blob.createdAt.milliseconds, blob.writer?.data, blob.filename,
                blob.mediaType, blob.bytes, blob.sha256,
            ])
        guard inserted == 1 else { throw MillraceError.alreadyThere("blob \(blob.id)") }
    }

    fileprivate func blobs(_ condition: String, _ arguments: StatementArguments) throws -> [BlobID] {
        let statement = try db.cachedStatement(sql: "SELECT id FROM blob WHERE \(condition)")
        return try Data.fetchAll(statement, arguments: arguments).map { BlobID(column: $0) }
    }
}

extension SQLiteStore: KeyStore {
    public func add(_ key: KeyRecord) async throws {
        try await write { step in
            let inserted = try step.changing(
                """
                INSERT INTO apiKey (id, name, tenant, secretHash, createdAt, kind, endpoints) VALUES (?,?,?,?,?,?,?)
                ON CONFLICT DO NOTHING
                """,
                [
                    key.id.data, key.name, key.tenant, key.secretHash, key.createdAt.milliseconds, key.kind.rawValue,
                    key.endpoints?.joined(separator: ","),
                ])
            guard inserted == 1 else { throw MillraceError.alreadyThere("key \(key.id)") }
        }
    }

    public func key(_ id: KeyID) async throws -> KeyRecord? {
        try await read { try $0.keys("WHERE id = ?", [id.data]).first }
    }

    public func keys() async throws -> [KeyRecord] {
        try await read { try $0.keys("ORDER BY id", []) }
    }

    public func revoke(_ id: KeyID) async throws -> Bool {
        try await write { try $0.changing("DELETE FROM apiKey WHERE id = ?", [id.data]) == 1 }
    }
}

extension Database {
    fileprivate func keys(_ condition: String, _ arguments: StatementArguments) throws -> [KeyRecord] {
        let statement = try cachedStatement(sql: "SELECT id, name, tenant, secretHash, createdAt, kind, endpoints FROM apiKey \(condition)")
        return try Row.fetchAll(statement, arguments: arguments).map { row in
            let (kind, endpoints): (String, String?) = (row[5], row[6])
            // A kind that this version does not know opens nothing that clients use.
            return KeyRecord(
                id: KeyID(column: row[0]), name: row[1], tenant: row[2], secretHash: row[3],
                createdAt: Timestamp(milliseconds: row[4]), kind: .init(rawValue: kind) ?? .worker,
                endpoints: endpoints?.split(separator: ",").map(String.init))
        }
    }
}
