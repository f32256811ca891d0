import MillraceCore
import MillraceText

/// Which column of a table holds the text, and what the added ones are called.
enum TableColumns {
    /// In order of preference.
    static let usualNames = [
        "text", "comment", "comments", "review", "content", "message", "body", "sentence", "feedback", "tweet", "post",
        "reviewtext", "review_text", "comment_text", "description", "answer",
    ]

    /// - Throws: `column_missing`, which lists the columns.
    static func index(of name: String, in columns: [String]) throws(JobFailure) -> Int {
        if let index = columns.firstIndex(of: name) { return index }
        let folded = columns.indices.filter { plain(columns[$0]) == plain(name) }
        if folded.count == 1 { return folded[0] }
        let near = Spelling.nearest(to: name, in: columns)
        let list = columns.prefix(50).map { "\"\($0)\"" }.joined(separator: ", ")
        throw JobFailure(
            .columnMissing, "the table has no column \"\(name)\"; it has \(list)",
            hint: near.map { "did you mean \"\($0)\"?" } ?? "the first line of the file must name the columns")
    }

    /// A column with a usual name, else the one with the longest texts in the first rows.
    ///
    /// - Parameter lengths: Bytes in each column, over the first rows.
    static func guess(in columns: [String], lengths: [Int]) -> Int {
        for name in usualNames {
            if let index = columns.firstIndex(where: { plain($0) == name }) { return index }
        }
        return lengths.indices.max { (lengths[$0], $1) < (lengths[$1], $0) } ?? 0
    }

    /// `name`, or `name_2`, `name_3`... when there is such a column already.
    static func free(_ name: String, in columns: [String]) -> String {
        guard columns.contains(name) else { return name }
        var number = 2
        while columns.contains("\(name)_\(number)") { number += 1 }
        return "\(name)_\(number)"
    }

    private static func plain(_ name: String) -> String {
        String(name.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()).lowercased()
    }
}

/// What one look over a whole table found: that it is sound, how many rows it has, and where its texts are.
struct TableSurvey: Sendable {
    private static let rowsLookedAt = 100

    var rows: Int
    var column: Int

    /// - Parameter column: The name asked for; `nil` to guess.
    /// - Throws: `csv_malformed`, `text_encoding`, `column_missing`; `too_large` for more rows than allowed.
    init(path: String, column name: String?, rowsMax: Int) throws(JobFailure) {
        var reader = try CSVReader(path: path)
        let asked: Int? = if let name { try TableColumns.index(of: name, in: reader.columns) } else { nil }
        var lengths = [Int](repeating: 0, count: reader.columns.count)
        var rows = 0
        while let record = try reader.next() {
            guard !record.isBlank else { continue }
            rows += 1
            if rows <= Self.rowsLookedAt {
                for (index, field) in record.fields.enumerated() { lengths[index] += field.count }
            }
            if rows > rowsMax {
                throw JobFailure(
                    .tooLarge, "the table has more rows than the \(rowsMax) allowed", hint: "split it into several jobs")
            }
        }
        self.rows = rows
        column = asked ?? TableColumns.guess(in: reader.columns, lengths: lengths)
    }
}
