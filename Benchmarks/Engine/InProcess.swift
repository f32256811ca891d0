import Foundation
import MillraceApp
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceRunnerONNX

/// A model of the repository in this process: what a worker has, without its queue, files and network.
struct InProcessModel {
    let manifest: ModelManifest
    let files: ModelFiles
    let pipeline: any ModelPipeline
    private let threads: Int

    init(directory: String, threads: Int) throws {
        manifest = try ManifestLoader.load(directory)
        files = ModelFiles(manifest: manifest, directory: directory)
        pipeline = try PipelineRegistry.standard(pdf: .inThisProcess).pipeline(for: manifest, directory: directory)
        self.threads = threads
    }

    func model(_ role: String) throws -> ONNXModel {
        let named = ProcessInfo.processInfo.environment["MILLRACE_ONNXRUNTIME"].map { [$0] } ?? []
        return ONNXModel(
            path: try files.path(of: role), libraryCandidates: named + [".venv/lib/python3*/site-packages/onnxruntime/capi"],
            options: .init(threads: threads))
    }

    func loadedRunner() async throws -> any ModelRunner {
        let runner = try pipeline.makeRunner(model)
        try await runner.load()
        return runner
    }
}

/// Runs one job as a worker does: items are made while batches run.
struct InProcessRun {
    private let batcher: ItemBatcher
    private let itemsMax: Int

    init(_ runner: any ModelRunner, itemsMax: Int) {
        var policy = BatchingPolicy()
        policy.itemsMax = itemsMax
        self.itemsMax = itemsMax
        batcher = ItemBatcher(runner: runner, observer: Deaf(), policy: policy, surroundings: .system)
    }

    func outputs(of job: PipelineJob, _ pipeline: any InferencePipeline) async throws -> [PipelineOutput] {
        let batches = Task { await batcher.run() }
        defer { batches.cancel() }
        let task = try await pipeline.open(job)
        try await withThrowingTaskGroup(of: (Int, ItemOutcome).self) { group in
            var (started, finished, isExhausted) = (0, 0, false)
            while !isExhausted || finished < started {
                if !isExhausted, started - finished < itemsMax * 2 {
                    if let payload = try await batcher.producing({ try await task.next() }) {
                        let (index, item) = (started, InferenceItem(id: batcher.makeItemID(), payload: payload))
                        group.addTask { (index, await batcher.run(item, of: job.request.job) { .cancelled }) }
                        started += 1
                    } else {
                        isExhausted = true
                    }
                } else if let (index, outcome) = try await group.next() {
                    try await task.accept(outcome, ofItem: index)
                    finished += 1
                }
            }
        }
        return try await task.finish()
    }
}

private struct Deaf: ItemObserver {
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}
