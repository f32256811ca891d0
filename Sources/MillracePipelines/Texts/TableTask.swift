import Foundation
import MillraceCore
import MillraceInference
import MillraceText
import Synchronization

/// A table whose rows are items, written back in order with two more columns.
///
/// What is held in memory are the rows between the oldest that is not yet answered and the newest that was given:
/// as many as the worker has in flight.
final class TableTask: PipelineTask {
    private let pipeline: TextClassificationPipeline
    private let file: HandlerRequest.File
    private let workdir: String
    private let rowsMax: Int
    private let columnName: String?
    private let state = Mutex<TablePass?>(nil)

    let unit = "rows"
    var itemsTotal: Int? { state.withLock { $0?.rowsTotal } }

    init(pipeline: TextClassificationPipeline, job: PipelineJob, file: HandlerRequest.File, column: String?) {
        self.pipeline = pipeline
        self.file = file
        columnName = column
        workdir = job.request.workdir
        rowsMax = job.limits.rowsMax
    }

    func next() async throws -> InferenceItem.Payload? {
        if state.withLock({ $0 == nil }) { try await begin() }
        return try state.withLock { pass in
            try pass?.nextText().map { pipeline.payload(of: $0) }
        }
    }

    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws {
        do {
            let scores = try pipeline.scores(of: outcome)
            let score = String(ClassScores.rounded(scores.probabilities[scores.best]))
            try state.withLock { try $0?.answer(row: index, label: pipeline.labels[scores.best], score: score) }
        } catch let failure as JobFailure {
            throw failure.code == ErrorCode.storageFull.rawValue ? failure : failure.about("row \(index + 1)")
        }
    }

    func finish() async throws -> [PipelineOutput] {
        if state.withLock({ $0 == nil }) { try await begin() }
        let path = try state.withLock { try $0?.close() }
        guard let path else { throw JobFailure(.internal, "the table was never opened") }
        return [PipelineOutput(name: "result.csv", mediaType: "text/csv", content: .file(path: path))]
    }

    private func begin() async throws {
        let (path, name, rowsMax, workdir) = (file.path, columnName, rowsMax, workdir)
        let (label, score) = (pipeline.labelColumn, pipeline.scoreColumn)
        let pass = try await pipeline.reading.run {
            let survey = try TableSurvey(path: path, column: name, rowsMax: rowsMax)
            return try TablePass(path: path, survey: survey, target: workdir + "/result.csv", label: label, score: score)
        }
        state.withLock { $0 = pass }
    }
}

/// The reading and writing side of one table.
struct TablePass: Sendable {
    private struct Row {
        /// Empty lines before this row, as they were.
        var before: [UInt8]
        var record: CSVRecord
        var answer: (label: String, score: String)?
    }

    let rowsTotal: Int
    private let column: Int
    private let target: String
    private var reader: CSVReader
    private var writer: FileWriter
    private var blank: [UInt8] = []
    /// Rows given and not yet written; the first is number `written`.
    private var rows: [Row] = []
    private var rowsDone = 0
    private var written = 0

    init(path: String, survey: TableSurvey, target: String, label: String, score: String) throws(JobFailure) {
        rowsTotal = survey.rows
        column = survey.column
        self.target = target
        reader = try CSVReader(path: path)
        writer = try FileWriter(path: target)
        let header = reader.header
        if reader.hasByteOrderMark { try writer.write([0xEF, 0xBB, 0xBF]) }
        try writer.write(reader.preamble)
        let labelName = TableColumns.free(label, in: reader.columns)
        let scoreName = TableColumns.free(score, in: reader.columns + [labelName])
        try writer.write(Self.line(header, labelName, scoreName, reader.format))
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
        }
        // Dropped in strides, so that a long queue is not moved once for each row.
        if rowsDone >= 1024 || rowsDone == rows.count {
            rows.removeFirst(rowsDone)
            rowsDone = 0
        }
    }

    /// Writes what is left and returns the file's path.
    mutating func close() throws(JobFailure) -> String {
        precondition(rows.isEmpty && written == rowsTotal, "finish() comes after every row was answered")
        try writer.write(blank)
        try writer.close()
        return target
    }

    private static func line(_ record: CSVRecord, _ label: String, _ score: String, _ format: CSVFormat) -> [UInt8] {
        let delimiter = format.delimiter.rawValue
        return record.raw + [delimiter] + format.field(label).utf8 + [delimiter] + format.field(score).utf8 + record.ending
    }
}
