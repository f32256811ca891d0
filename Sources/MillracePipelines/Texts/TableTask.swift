import Foundation
import MillraceCore
import MillraceInference
import MillraceText
import Synchronization

/// A table whose rows are items, written back in order with two more columns.
///
/// What is held in memory are the rows between the oldest that is not yet answered and the newest that was given:
/// as many as the worker has in flight.
final class TableTask: ResumableTask {
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

    func resume(from position: JSONValue) async throws -> Int? {
        guard let rows = position["rows"]?.integerValue, rows > 0 else { return nil }
        let pass = try await openedPass()
        let (isBehind, moved) = try await pipeline.reading.run {
            var pass = pass
            return (try pass.skip(rows: rows), pass)
        }
        guard isBehind else { return nil }
        state.withLock { $0 = moved }
        return rows
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
            let before = state.withLock { $0?.rowsBefore ?? 0 }
            throw failure.code == ErrorCode.storageFull.rawValue ? failure : failure.about("row \(before + index + 1)")
        }
    }

    func cut() async throws -> TaskCut? {
        guard let (path, rows) = try state.withLock({ try $0?.cut() }) else { return nil }
        return TaskCut(position: ["rows": .integer(Int64(rows))], parts: [Self.output(path)])
    }

    func finish() async throws -> [PipelineOutput] {
        if state.withLock({ $0 == nil }) { try await begin() }
        let path = try state.withLock { try $0?.close() }
        guard let path else { throw JobFailure(.internal, "the table was never opened") }
        return [Self.output(path)]
    }

    private static func output(_ path: String) -> PipelineOutput {
        PipelineOutput(name: "result.csv", mediaType: "text/csv", content: .file(path: path))
    }

    private func begin() async throws {
        let pass = try await openedPass()
        let begun = try await pipeline.reading.run {
            var pass = pass
            try pass.begin()
            return pass
        }
        state.withLock { $0 = begun }
    }

    private func openedPass() async throws -> TablePass {
        let (path, name, rowsMax, workdir) = (file.path, columnName, rowsMax, workdir)
        let (label, score) = (pipeline.labelColumn, pipeline.scoreColumn)
        return try await pipeline.reading.run {
            let survey = try TableSurvey(path: path, column: name, rowsMax: rowsMax)
            return try TablePass(path: path, survey: survey, folder: workdir, label: label, score: score)
        }
    }
}
