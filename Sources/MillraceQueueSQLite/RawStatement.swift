import Foundation
import GRDB
import GRDBSQLite
import MillraceCore

/// A prepared statement, bound and read without a copy of each value in between: what the queue runs for every job.
///
/// Values are bound in the order of the statement's parameters. Everything that is not hot uses GRDB's own interface.
struct RawStatement {
    private let statement: Statement
    private let handle: OpaquePointer
    private let db: Database
    private var bound: Int32 = 0

    init(_ sql: String, in db: Database) throws {
        self.init(try db.cachedStatement(sql: sql), in: db)
    }

    init(_ statement: Statement, in db: Database) {
        self.db = db
        self.statement = statement
        handle = statement.sqliteStatement
    }

    // MARK: Binding

    mutating func bind(_ value: Int64) {
        bound += 1
        sqlite3_bind_int64(handle, bound, value)
    }

    mutating func bind(_ value: Int) { bind(Int64(value)) }
    mutating func bind(_ value: Timestamp) { bind(value.milliseconds) }
    mutating func bind(_ value: Timestamp?) { value.map { bind($0) } ?? bindNull() }
    mutating func bind(_ value: Duration?) { value.map { bind($0.milliseconds) } ?? bindNull() }

    mutating func bindNull() {
        bound += 1
        sqlite3_bind_null(handle, bound)
    }

    mutating func bind<Kind>(_ id: Identifier<Kind>) {
        bound += 1
        withUnsafeBytes(of: (id.high.bigEndian, id.low.bigEndian)) { bytes in
            _ = sqlite3_bind_blob(handle, bound, bytes.baseAddress, 16, Self.transient)
        }
    }

    mutating func bind<Kind>(_ id: Identifier<Kind>?) { id.map { bind($0) } ?? bindNull() }

    mutating func bind(_ text: String) {
        bound += 1
        var text = text
        text.withUTF8 { bytes in
            // Without an address SQLite would take the empty text for NULL.
            guard let address = UnsafeRawPointer(bytes.baseAddress), !bytes.isEmpty else {
                _ = sqlite3_bind_text(handle, bound, "", 0, Self.transient)
                return
            }
            _ = sqlite3_bind_text(handle, bound, address.assumingMemoryBound(to: CChar.self), Int32(bytes.count), Self.transient)
        }
    }

    mutating func bind(_ text: String?) { text.map { bind($0) } ?? bindNull() }

    // MARK: Running

    /// Runs a statement that gives no rows, and makes it ready for the next values.
    mutating func run() throws {
        _ = try step()
        reset()
    }

    /// Goes to the next row; after the last one the statement is ready for the next values.
    mutating func step() throws -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            reset()
            return false
        default:
            let error = DatabaseError(
                resultCode: ResultCode(rawValue: sqlite3_extended_errcode(db.sqliteConnection)),
                message: String(cString: sqlite3_errmsg(db.sqliteConnection)), sql: statement.sql)
            reset()
            throw error
        }
    }

    mutating func reset() {
        sqlite3_reset(handle)
        bound = 0
    }

    // MARK: Reading

    func int(_ column: Int32) -> Int { Int(sqlite3_column_int64(handle, column)) }
    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }
    func time(_ column: Int32) -> Timestamp { Timestamp(milliseconds: sqlite3_column_int64(handle, column)) }
    func optionalTime(_ column: Int32) -> Timestamp? { isNull(column) ? nil : time(column) }
    func duration(_ column: Int32) -> Duration { .milliseconds(sqlite3_column_int64(handle, column)) }

    func text(_ column: Int32) -> String? {
        guard let address = sqlite3_column_text(handle, column) else { return nil }
        let bytes = UnsafeBufferPointer(start: address, count: Int(sqlite3_column_bytes(handle, column)))
        return String(decoding: bytes, as: UTF8.self)
    }

    func id<Kind>(_ column: Int32) -> Identifier<Kind>? {
        guard let address = sqlite3_column_blob(handle, column) else { return nil }
        precondition(sqlite3_column_bytes(handle, column) == 16, "an id column holds other than 16 bytes")
        return Identifier(
            high: UInt64(bigEndian: address.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: address.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }

    private static let transient = unsafeBitCast(OpaquePointer(bitPattern: -1), to: sqlite3_destructor_type.self)
}
