import MillraceCore
import MillraceInference

/// Runs jobs through a pipeline and a loaded runner as a worker does: items of all jobs in turns, in batches, answered batch by batch.
public struct PipelineDriver: Sendable {
    public var runner: any ModelRunner
    public var pipeline: any InferencePipeline

    public init(runner: any ModelRunner, pipeline: any InferencePipeline) {
        self.runner = runner
        self.pipeline = pipeline
    }

    /// - Parameters:
    ///   - batch: Items of one batch.
    ///   - backwards: Answers a batch's items from the last to the first.
    /// - Returns: The outputs of each job.
    public func run(_ jobs: [PipelineJob], batch: Int, backwards: Bool = false) async throws -> [[PipelineOutput]] {
        var tasks: [any PipelineTask] = []
        for job in jobs { tasks.append(try await pipeline.open(job)) }
        var open = Array(tasks.indices)
        var given = [Int](repeating: 0, count: tasks.count)
        var waiting: [(task: Int, index: Int, item: InferenceItem)] = []
        func flush() async throws {
            guard !waiting.isEmpty else { return }
            let outcomes = try await runner.run(waiting.map(\.item), observer: Deaf())
            let answered = Array(zip(waiting, outcomes))
            for (entry, outcome) in backwards ? answered.reversed() : answered {
                try await tasks[entry.task].accept(outcome, ofItem: entry.index)
            }
            waiting = []
        }
        while !open.isEmpty {
            for task in open {
                try await tasks[task].prepareNext()
                guard let payload = try await tasks[task].next() else {
                    open.removeAll { $0 == task }
                    continue
                }
                waiting.append((task, given[task], InferenceItem(id: ItemID(waiting.count), payload: payload, cost: pipeline.cost(of: payload))))
                given[task] += 1
                if waiting.count == batch { try await flush() }
            }
        }
        try await flush()
        var outputs: [[PipelineOutput]] = []
        for task in tasks { outputs.append(try await task.finish()) }
        return outputs
    }
}

private struct Deaf: ItemObserver {
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}
