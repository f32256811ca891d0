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
    let held: HeldJobs
    let transfer: BlobTransfer
    let reserveBlob: @Sendable () async throws -> BlobReservationResponse
    /// A folder of this attempt's own; it is there and empty.
    let folder: String

    func outputs() async throws -> [JobFile] {
        let task = try await pipeline.open(PipelineJob(request: try await request(), limits: configuration.limits))
        try await runItems(of: task)
        return try await store(try await task.finish())
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
        if let saved = leased.checkpoint {
            checkpoint = .init(path: try await transfer.fetch(saved.file, into: folder, as: "checkpoint"), position: saved.position)
        }
        let workdir = folder + "/work"
        try FileManager.default.createDirectory(atPath: workdir, withIntermediateDirectories: true)
        return HandlerRequest(
            job: leased.id, endpoint: configuration.name, attempt: leased.attempt, parameters: leased.parameters,
            input: leased.input, files: files, workdir: workdir, checkpoint: checkpoint)
    }

    /// Keeps a window of items on their way, so that the next ones are decoded while a batch runs.
    private func runItems(of task: any PipelineTask) async throws {
        let window = max(2, configuration.batching.itemsMax * 2)
        try await withThrowingTaskGroup(of: (Int, ItemOutcome).self) { group in
            var (started, finished, exhausted) = (0, 0, false)
            while !exhausted || finished < started {
                try Task.checkCancellation()
                if !exhausted, started - finished < window {
                    if let payload = try await batcher.producing({ try await decoding.enter { try await task.next() } }) {
                        let index = started
                        group.addTask { (index, await run(payload)) }
                        started += 1
                    } else {
                        exhausted = true
                    }
                } else if let (index, outcome) = try await group.next() {
                    // A stop reaches the job as `cancelled` items; which stop it was is known to the held job.
                    if case .cancelled = outcome { throw CancellationError() }
                    try await task.accept(outcome, ofItem: index)
                    finished += 1
                    report(finished, of: task)
                }
            }
        }
    }

    private func run(_ payload: InferenceItem.Payload) async -> ItemOutcome {
        let item = batcher.makeItemID()
        held.assign(item, to: leased.token)
        defer { held.unassign(item) }
        return await batcher.run(InferenceItem(id: item, payload: payload), of: leased.id) { [held, leased] in
            held.stopReason(leased.token) ?? .cancelled
        }
    }

    private func report(_ finished: Int, of task: any PipelineTask) {
        // A handler process reports for itself; one job that is one item has no progress to count.
        guard configuration.manifest.runner != .process else { return }
        held.progress(
            JobProgress(done: Double(finished), total: task.itemsTotal.map(Double.init), unit: task.unit), of: leased.token)
    }

    private func store(_ outputs: [PipelineOutput]) async throws -> [JobFile] {
        var files: [JobFile] = []
        for output in outputs {
            try Task.checkCancellation()
            let place = try await reserveBlob()
            let digest =
                switch output.content {
                case .bytes(let bytes): try await transfer.store(bytes: bytes, to: place.access)
                case .file(let path): try await transfer.store(fileAt: path, to: place.access)
                }
            files.append(
                JobFile(
                    name: output.name, filename: output.name, blob: place.blob, mediaType: output.mediaType, bytes: digest.bytes,
                    sha256: digest.sha256))
        }
        return files
    }
}
