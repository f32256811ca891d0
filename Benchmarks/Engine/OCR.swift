import ArgumentParser
import Foundation
import MillraceCore
import MillraceInference

/// Reads documents in one process.
struct OCR: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Read documents in one process, after once that does not count.")

    @Option var model: String
    @Option var threads = 2
    @Argument var documents: [String]

    private struct Answer: Codable {
        struct Page: Codable { var text: String }
        var pages: [Page]
        var seconds: Double?
    }

    func run() async throws {
        let model = try InProcessModel(directory: model, threads: threads)
        let runner = try await model.loadedRunner()
        let run = InProcessRun(runner, itemsMax: model.manifest.itemsMax ?? 4)
        guard let id = JobID("01890a5d-ac96-774b-bcce-b302099a8057") else { throw ExitCode.failure }
        let files = documents.map {
            HandlerRequest.File(name: $0, filename: $0, path: $0, mediaType: $0.hasSuffix(".pdf") ? "application/pdf" : "image/png", bytes: 0)
        }
        let job = PipelineJob(
            request: HandlerRequest(
                job: id, endpoint: "ocr", attempt: 1, parameters: [:], input: nil, files: files, workdir: "", checkpoint: nil), limits: .init())
        _ = try await InProcessRun(runner, itemsMax: 4).outputs(of: job, model.pipeline)
        let begun = ContinuousClock.now
        let outputs = try await run.outputs(of: job, model.pipeline)
        let seconds = (ContinuousClock.now - begun).seconds
        guard case .bytes(let document)? = outputs.first?.content else { throw ExitCode.failure }
        var answer = try JSONDecoder().decode(Answer.self, from: Data(document))
        answer.seconds = seconds
        print(String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
    }
}
