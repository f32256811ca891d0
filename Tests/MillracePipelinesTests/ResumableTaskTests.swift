import Foundation
import MillraceCore
import MillraceInference
import Testing

/// Tables and documents that are cut into parts, and go on in another attempt, give the same outputs as in one piece.
@Suite("Resumable tasks", .serialized)
struct ResumableTaskTests {
    /// What an attempt that was ended after its last cut leaves behind.
    private struct Left {
        var position: JSONValue?
        var parts: [[Data]] = []
    }

    /// Runs a job, cutting after each batch.
    ///
    /// - Parameter itemsMax: The attempt is lost after so many items; what it did after its last cut is gone with it.
    /// - Returns: the outputs, `nil` for an attempt that was lost.
    private static func attempt(
        _ job: PipelineJob, with model: LoadedModel, from left: inout Left, batch: Int, itemsMax: Int = .max
    ) async throws -> [Data]? {
        let task = try #require(try await model.pipeline.open(job) as? any ResumableTask)
        if let position = left.position { #expect(try await task.resume(from: position) != nil) }
        var (given, exhausted) = (0, false)
        while !exhausted {
            var items: [InferenceItem] = []
            while items.count < batch, let payload = try await task.next() { items.append(InferenceItem(id: ItemID(items.count), payload: payload)) }
            exhausted = items.count < batch
            let outcomes = try await model.runner.run(items, observer: SilentObserver())
            // Backwards, so that a cut finds gaps: the first item of a batch is answered last.
            for index in outcomes.indices.reversed() {
                try await task.accept(outcomes[index], ofItem: given + index)
                if index == outcomes.count / 2 { try await keep(task, &left) }
            }
            given += items.count
            if given >= itemsMax { return nil }
            try await keep(task, &left)
        }
        let rest = try await task.finish()
        return try rest.enumerated().map { index, output in
            try left.parts.reduce(into: Data()) { $0 += $1[index] } + output.data()
        }
    }

    private static func keep(_ task: any ResumableTask, _ left: inout Left) async throws {
        guard let cut = try await task.cut() else { return }
        left.position = cut.position
        left.parts.append(try cut.parts.map { try $0.data() })
    }

    @Test func `a table that three attempts worked on comes out as if one had`() async throws {
        let text = "id,text\r\n" + (1...40).map { "\($0),\"comment \($0) is \(["great", "awful", "a table"][$0 % 3])\"\r\n" + ($0 % 7 == 0 ? "\r\n" : "") }.joined()
        let model = try await LoadedModel.sentiment()
        let work = try Workplace()
        let job = try work.job(files: [work.csv(text)])
        let whole = try await model.run([job], batch: 4)[0].map { try $0.data() }

        var left = Left()
        #expect(try await Self.attempt(job, with: model, from: &left, batch: 4, itemsMax: 10) == nil)
        #expect(left.position == ["rows": 8])
        #expect(try await Self.attempt(job, with: model, from: &left, batch: 4, itemsMax: 12) == nil)
        #expect(left.position == ["rows": 16])
        let outputs = try await Self.attempt(job, with: model, from: &left, batch: 4)
        #expect(outputs == whole)
        #expect(left.parts.count > 8)
    }

    @Test func `a position that the table does not have is no place to go on from`() async throws {
        let model = try await LoadedModel.sentiment()
        let work = try Workplace()
        let job = try work.job(files: [work.csv("text\ngreat\nawful\n")])
        for position: JSONValue in [["rows": 3], ["rows": 0], ["rows": -1], ["pages": 1], "rows", [:]] {
            let task = try #require(try await model.pipeline.open(job) as? any ResumableTask)
            #expect(try await task.resume(from: position) == nil)
            // It begins at the start all the same.
            #expect(try await task.next() != nil)
        }
    }

    @Test func `a document that two attempts worked on comes out as if one had`() async throws {
        let model = try await OCRTests.model()
        let work = try Workplace()
        let two = try work.job(files: [OCRTests.page(1), OCRTests.pdf], parameters: ["pages": "1"])
        let three = try work.job(files: [OCRTests.page(1), OCRTests.page(2), OCRTests.page(1)])
        for job in [two, three] {
            let whole = try await model.run([job], batch: 1)[0].map { try $0.data() }
            var left = Left()
            #expect(try await Self.attempt(job, with: model, from: &left, batch: 1, itemsMax: 2) == nil)
            // The last page is in no part: what ends the outputs comes with it.
            #expect(left.position == ["pages": .integer(Int64(job.request.files.count - 1))])
            #expect(try await Self.attempt(job, with: model, from: &left, batch: 1) == whole)
        }
    }
}
