import Foundation
import MillraceCore
import MillraceInference
import MillraceWire

/// Keeps what a long job has finished, every few seconds, so that a later attempt goes on behind it.
///
/// What is finished is stored as segments first, then the fenced row names them: a segment that no row names is nobody's, and goes.
struct SegmentKeeper: Sendable {
    let leased: LeasedJob
    /// The model's version.
    let model: String
    let interval: Duration
    let surroundings: Surroundings
    let transfer: BlobTransfer
    let results: OutputStore
    let folder: AttemptFolder
    let record: @Sendable (JobCheckpoint) async throws -> Void

    private var ledger = SegmentLedger()
    private var keptAt: Timestamp
    /// A cut that is not in the ledger yet: the task gives it once, and storing it may fail.
    private var cut: TaskCut?
    /// Numbers the copies of segments that are read from elsewhere.
    private var copies = 0

    init(
        leased: LeasedJob, model: String, interval: Duration, surroundings: Surroundings, transfer: BlobTransfer, results: OutputStore,
        folder: AttemptFolder, record: @escaping @Sendable (JobCheckpoint) async throws -> Void
    ) {
        self.leased = leased
        self.model = model
        self.interval = interval
        self.surroundings = surroundings
        self.transfer = transfer
        self.results = results
        self.folder = folder
        self.record = record
        keptAt = surroundings.now()
    }

    /// Goes on where an earlier attempt stopped, if it left something that can be gone on from.
    /// - Returns: the number of items that are finished already.
    mutating func resume(_ task: any ResumableTask) async throws -> Int {
        guard let checkpoint = leased.checkpoint, let position = checkpoint.position["at"] else { return 0 }
        var segments: [SegmentLedger.Segment] = []
        do {
            for (index, segment) in checkpoint.segments.enumerated() {
                segments.append(.init(file: segment.file, path: try await transfer.fetch(segment, into: folder, as: "segment-\(index)")))
            }
        } catch is JobFailure {
            // What is gone is made again.
            return 0
        }
        guard let found = SegmentLedger(segments: segments, position: checkpoint.position, model: model),
            let items = try await task.resume(from: position)
        else { return 0 }
        ledger = found
        return items
    }

    mutating func keepIfDue(_ task: any ResumableTask) async throws {
        if surroundings.now().since(keptAt) >= interval { try await keep(task) }
    }

    mutating func keep(_ task: any ResumableTask) async throws {
        keptAt = surroundings.now()
        if cut == nil { cut = try await task.cut() }
        guard let cut else { return }
        var segments: [SegmentLedger.Segment] = []
        for part in cut.parts { segments.append(try await store(part)) }
        ledger.append(segments)
        self.cut = nil
        while let due = ledger.due {
            var merged: [SegmentLedger.Segment] = []
            for (index, segment) in segments.enumerated() {
                let parts = try contents(of: due.map { $0.segments[index] })
                merged.append(
                    try await store(PipelineOutput(name: segment.file.name, mediaType: segment.file.mediaType, content: .joined(parts))))
            }
            ledger.merge(into: merged)
        }
        try await record(ledger.checkpoint(at: cut.position, model: model))
    }

    /// The whole outputs: what was kept, and what came after it.
    ///
    /// - Throws: `input_unavailable` when a segment is gone; another attempt begins at the start then.
    func outputs(endingWith rest: [PipelineOutput]) throws -> [PipelineOutput] {
        guard !ledger.cuts.isEmpty else { return rest }
        return try rest.enumerated().map { index, output in
            var output = output
            output.content = .joined(try contents(of: ledger.segments(ofOutput: index)) + [output.content])
            return output
        }
    }

    private func contents(of segments: [SegmentLedger.Segment]) throws -> [PipelineOutput.Content] {
        try segments.map { segment in
            guard FileManager.default.isReadableFile(atPath: segment.path) else {
                throw JobFailure(
                    .inputUnavailable, "a finished part of \"\(segment.file.name)\" is no longer in the blob store", hint: "it is made again", retryable: true)
            }
            return .file(path: segment.path)
        }
    }

    private mutating func store(_ part: PipelineOutput) async throws -> SegmentLedger.Segment {
        let (file, path) = try await results.storeSegment(part)
        if let path {
            if case .file(let own) = part.content { try? FileManager.default.removeItem(atPath: own) }
            return .init(file: file, path: path)
        }
        // The store is elsewhere: the end of the job reads a copy that stays here.
        if case .file(let own) = part.content { return .init(file: file, path: own) }
        copies += 1
        let copy = try folder.make() + "/kept-\(copies)"
        try transfer.copy(part.content, to: copy)
        return .init(file: file, path: copy)
    }
}
