import GRDB

/// The numbers of events and of lanes' turns, which only rise.
///
/// They are taken in blocks, so that not every commit writes `counter`: it says how far the last block goes. What a stopped server
/// had not given out is skipped. Another process that writes to the same file takes a block of its own, and this one, which
/// sees that, the one after it. Lives on the writer's queue only.
final class Numbering {
    private static let block: Int64 = 10_000

    fileprivate struct Block {
        var next: Int64
        /// The last number of the block, as `counter` has it.
        var last: Int64

        mutating func take() -> Int64? {
            guard next <= last else { return nil }
            defer { next += 1 }
            return next
        }
    }
    /// A place in a transaction that the numbers can be taken back to, with what was written of them.
    struct Mark {
        fileprivate var sequences = Block(next: 1, last: 0)
        fileprivate var turns = Block(next: 1, last: 0)
        /// Whether this transaction has looked at `counter`.
        fileprivate var isCurrent = false
    }
    private let statements: HotStatements
    private(set) var mark = Mark()
    private var beginning = Mark()

    init(_ statements: HotStatements) {
        self.statements = statements
    }

    func transactionBegins() {
        mark.isCurrent = false
        beginning = mark
    }

    func transactionIsLost() {
        mark = beginning
    }

    func rollBack(to mark: Mark) {
        self.mark = mark
    }

    func nextSequence(in db: Database) throws -> Int64 { try take(\.sequences, in: db) }
    func nextTurn(in db: Database) throws -> Int64 { try take(\.turns, in: db) }

    private func take(_ block: WritableKeyPath<Mark, Block>, in db: Database) throws -> Int64 {
        try look(db)
        if let number = mark[keyPath: block].take() { return number }
        mark[keyPath: block].last += Self.block
        var statement = try RawStatement(
            """
            INSERT INTO counter (only, sequence, turn) VALUES (0, ?, ?) \
            ON CONFLICT DO UPDATE SET sequence = excluded.sequence, turn = excluded.turn
            """, in: db)
        statement.bind(mark.sequences.last)
        statement.bind(mark.turns.last)
        try statement.run()
        return mark[keyPath: block].take()!
    }

    private static let counter = HotSQL("SELECT sequence, turn FROM counter")

    private func look(_ db: Database) throws {
        guard !mark.isCurrent else { return }
        var statement = try statements.statement(Self.counter, in: db)
        let (sequence, turn) = try statement.step() ? (Int64(statement.int(0)), Int64(statement.int(1))) : (0, 0)
        statement.reset()
        if sequence != mark.sequences.last || turn != mark.turns.last {
            mark.sequences = Block(next: sequence + 1, last: sequence)
            mark.turns = Block(next: turn + 1, last: turn)
        }
        mark.isCurrent = true
    }
}
