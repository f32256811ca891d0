import MillraceCore
import MillraceText

/// The reading and writing side of one table.
struct TablePass: Sendable {
    private struct Row {
        /// Empty lines before this row, as they were.
        var before: [UInt8]
        var record: CSVRecord
        var answer: (label: String, score: String)?
    }

    let rowsTotal: Int
    /// Rows that an earlier attempt has answered.
    private(set) var rowsBefore = 0
    private let column: Int
    private let label: String
    private let score: String
    private let folder: String
    private var reader: CSVReader
    /// The part that is being written; its number, and the rows in it.
    private var writer: FileWriter
    private var part = 0
    private var rowsInPart = 0
    private var blank: [UInt8] = []
    /// Rows given and not yet written; the first is number `written`.
    private var rows: [Row] = []
    private var rowsDone = 0
    private var written = 0

    init(path: String, survey: TableSurvey, folder: String, label: String, score: String) throws(JobFailure) {
        rowsTotal = survey.rows
        column = survey.column
        self.folder = folder
        self.label = label
        self.score = score
        reader = try CSVReader(path: path)
        writer = try FileWriter(path: Self.path(of: 0, in: folder))
    }

    /// Writes the header.
    mutating func begin() throws(JobFailure) {
        if reader.hasByteOrderMark { try writer.write([0xEF, 0xBB, 0xBF]) }
        try writer.write(reader.preamble)
        let labelName = TableColumns.free(label, in: reader.columns)
        let scoreName = TableColumns.free(score, in: reader.columns + [labelName])
        try writer.write(Self.line(reader.header, labelName, scoreName, reader.format))
    }

    /// Passes over rows that are written already, with the header and the empty lines before them.
    /// - Returns: whether there are as many.
    mutating func skip(rows: Int) throws(JobFailure) -> Bool {
        while rowsBefore < rows, let record = try reader.next() {
            if !record.isBlank { rowsBefore += 1 }
        }
        return rowsBefore == rows
    }

    /// The text of the next row, `nil` after the last.
    mutating func nextText() throws(JobFailure) -> String? {
        while let record = try reader.next() {
            guard !record.isBlank else {
                blank += record.ending
                continue
            }
            rows.append(Row(before: blank, record: record))
            blank = []
            return String(decoding: record.fields[column], as: UTF8.self)
        }
        return nil
    }

    /// Takes a row's answer and writes every row that can be written now.
    mutating func answer(row number: Int, label: String, score: String) throws(JobFailure) {
        let index = rowsDone + number - written
        precondition(rows.indices.contains(index) && rows[index].answer == nil, "each row is answered once")
        rows[index].answer = (label, score)
        guard index == rowsDone else { return }
        while rowsDone < rows.count, let answer = rows[rowsDone].answer {
            try writer.write(rows[rowsDone].before)
            try writer.write(Self.line(rows[rowsDone].record, answer.label, answer.score, reader.format))
            rowsDone += 1
            written += 1
            rowsInPart += 1
        }
        // Dropped in strides, so that a long queue is not moved once for each row.
        if rowsDone >= 1024 || rowsDone == rows.count {
            rows.removeFirst(rowsDone)
            rowsDone = 0
        }
    }

    /// Ends the part that is being written and begins the next.
    ///
    /// - Returns: the part's path and how many rows are written in all; `nil` when the part has no row yet.
    mutating func cut() throws(JobFailure) -> (path: String, rows: Int)? {
        guard rowsInPart > 0 else { return nil }
        try writer.close()
        defer { part += 1 }
        writer = try FileWriter(path: Self.path(of: part + 1, in: folder))
        rowsInPart = 0
        return (Self.path(of: part, in: folder), rowsBefore + written)
    }

    /// Writes what is left and returns the last part's path.
    mutating func close() throws(JobFailure) -> String {
        precondition(rows.isEmpty && rowsBefore + written == rowsTotal, "finish() comes after every row was answered")
        try writer.write(blank)
        try writer.close()
        return Self.path(of: part, in: folder)
    }

    private static func path(of part: Int, in folder: String) -> String { "\(folder)/part-\(part).csv" }

    private static func line(_ record: CSVRecord, _ label: String, _ score: String, _ format: CSVFormat) -> [UInt8] {
        let delimiter = format.delimiter.rawValue
        return record.raw + [delimiter] + format.field(label).utf8 + [delimiter] + format.field(score).utf8 + record.ending
    }
}
