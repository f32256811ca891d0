import Foundation
import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire

/// One attempt: fetch the inputs, make items, have them run, make outputs of the outcomes, store them.
///
/// Everything that can go wrong with the job itself ends as a ``JobFailure``; a stop ends as `CancellationError`.
struct JobRun: Sendable {
    let leased: LeasedJob
    let configuration: EndpointConfiguration
    let pipeline: any InferencePipeline
    let batcher: ItemBatcher
    /// Bounds how many jobs decode at once, and with it the memory that decoded images take.
    let decoding: Gate
    /// What stands before code that may crash; `nil` where all of it is in another process.
    let risk: RiskGate?
    let held: HeldJobs
    let transfer: BlobTransfer
    let results: OutputStore
    let folder: AttemptFolder
    /// Keeps what a long job has finished.
    let keeper: SegmentKeeper
    let stages: StageClock

    /// - Returns: the outputs, the primary one first: small ones as they are, then those in blobs.
    func outputs() async throws -> (inline: [InlineOutput], files: [JobFile]) {
        let job = PipelineJob(request: try await stages.measure(.fetch) { try await request() }, limits: configuration.limits)
        let task = try await atRisk { try await pipeline.open(job) }
        if task.itemsTotal == 1 {
            try await runOnlyItem(of: task)
        } else if let task = task as? any ResumableTask {
            let outputs = try await resumedOutputs(of: task)
            return try await stages.measure(.store) { try await results.store(outputs) }
        } else {
            try await runItems(of: task, after: 0) {}
        }
        return try await stages.measure(.store) { try await results.store(try await atRisk { try await task.finish() }) }
    }

    private func resumedOutputs(of task: any ResumableTask) async throws -> [PipelineOutput] {
        var keeper = keeper
        let itemsBefore = try await keeper.resume(task)
        if itemsBefore > 0 {
            held.log(LogLine(level: .info, message: "going on after \(itemsBefore) \(task.unit) that an earlier attempt finished"), of: leased.token)
        }
        do {
            try await runItems(of: task, after: itemsBefore) { try await keeper.keepIfDue(task) }
        } catch where held.stopReason(leased.token) == .draining {
            // On a task of its own: this one is cancelled, and what it would ask of the gateway with it.
            let last = Task { [keeper] in
                var keeper = keeper
                try await keeper.keep(task)
            }
            try? await last.value
            throw error
        }
        return try keeper.outputs(endingWith: try await atRisk { try await task.finish() })
    }

    private func request() async throws -> HandlerRequest {
        var files: [HandlerRequest.File] = []
        for (index, file) in leased.files.enumerated() {
            let path = try await transfer.fetch(file, into: folder, as: "in-\(index)")
            files.append(
                .init(
                    name: file.file.name, filename: file.file.filename, path: path, mediaType: file.file.mediaType,
                    bytes: file.file.bytes))
        }
        var checkpoint: HandlerRequest.Checkpoint?
        if let saved = leased.checkpoint, let file = saved.file {
            checkpoint = .init(path: try await transfer.fetch(file, into: folder, as: "checkpoint"), position: saved.position)
        }
        return HandlerRequest(
            job: leased.id, endpoint: configuration.name, attempt: leased.attempt, parametersText: leased.parameters,
            inputText: leased.input, files: files, workdir: needsWorkdir ? try folder.makeWorkdir() : "", checkpoint: checkpoint)
    }

    /// A handler may write files whatever it is given, and so may a model server answer; a pipeline does when it is given some.
    private var needsWorkdir: Bool {
        switch configuration.manifest.runner {
        case .process, .http: true
        case .onnx: pipeline.writesFiles && !leased.files.isEmpty
        case .echo: false
        }
    }

    /// One item needs no window and no task of its own.
    private func runOnlyItem(of task: any PipelineTask) async throws {
        guard let payload = try await next(of: task) else { return }
        try await take(await run(payload), ofItem: 0, of: task)
        report(1, of: task)
    }

    /// The next item; what keeps a core busy waits for its turn.
    private func next(of task: any PipelineTask) async throws -> InferenceItem.Payload? {
        try await task.prepareNext()
        guard pipeline.decodes else { return try await task.next() }
        return try await batcher.producing { try await decoding.enter { try await atRisk { try await stages.measure(.decode) { try await task.next() } } } }
    }

    private func take(_ outcome: ItemOutcome, ofItem index: Int, of task: any PipelineTask) async throws {
        // A stop reaches the job as `cancelled` items; which stop it was is known to the held job.
        if case .cancelled = outcome { throw CancellationError() }
        try await atRisk { try await task.accept(outcome, ofItem: index) }
    }

    /// Keeps a window of items on their way, so that the next ones are decoded while a batch runs.
    ///
    /// - Parameters:
    ///   - itemsBefore: how many earlier attempts finished.
    ///   - taken: called each time that an item's outcome was taken.
    private func runItems(of task: any PipelineTask, after itemsBefore: Int, taken: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: (Int, ItemOutcome).self) { group in
            var (started, finished, exhausted) = (0, 0, false)
            while !exhausted || finished < started {
                try Task.checkCancellation()
                if !exhausted, started - finished < stages.times.window(itemsMax: configuration.batching.itemsMax) {
                    if let payload = try await next(of: task) {
                        let index = started
                        group.addTask { (index, await run(payload)) }
                        started += 1
                    } else {
                        exhausted = true
                    }
                } else if let (index, outcome) = try await group.next() {
                    try await take(outcome, ofItem: index, of: task)
                    finished += 1
                    report(itemsBefore + finished, of: task)
                    try await taken()
                }
            }
        }
    }

    private func run(_ payload: InferenceItem.Payload) async -> ItemOutcome {
        let item = batcher.makeItemID()
        held.assign(item, to: leased.token)
        defer { held.unassign(item) }
        return await batcher.run(InferenceItem(id: item, payload: payload, cost: pipeline.cost(of: payload)), of: leased.id, alone: isSuspect) { [held, leased] in
            held.stopReason(leased.token) ?? .cancelled
        }
    }

    /// A worker has died in this job before: it is at risk alone, so that a second death has one cause.
    private var isSuspect: Bool { risk != nil && leased.crashes ?? 0 > 0 }

    private func atRisk<Value>(_ body: () async throws -> Value) async throws -> Value {
        guard let risk else { return try await body() }
        return try await risk.enter(for: [leased.id], alone: isSuspect, body)
    }

    private func report(_ finished: Int, of task: any PipelineTask) {
        // A handler process reports for itself; one job that is one item has no progress to count.
        guard configuration.manifest.runner == .onnx else { return }
        held.progress(
            JobProgress(done: Double(finished), total: task.itemsTotal.map(Double.init), unit: task.unit), of: leased.token)
    }
}
