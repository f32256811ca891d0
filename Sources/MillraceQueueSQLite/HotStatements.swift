import GRDB

/// The text of a statement that runs for every job.
final class HotSQL: Sendable {
    let text: String

    init(_ text: String) { self.text = text }
}

/// The writer's prepared statements by what they are: to find one by its text costs as much as to bind it.
///
/// Lives on the writer's queue only.
final class HotStatements {
    private var statements: [ObjectIdentifier: Statement] = [:]

    func statement(_ sql: HotSQL, in db: Database) throws -> RawStatement {
        if let known = statements[ObjectIdentifier(sql)] { return RawStatement(known, in: db) }
        let statement = try db.makeStatement(sql: sql.text)
        statements[ObjectIdentifier(sql)] = statement
        return RawStatement(statement, in: db)
    }

    /// Before the connection closes: a statement that is left keeps it open.
    func forget() {
        statements = [:]
    }
}
