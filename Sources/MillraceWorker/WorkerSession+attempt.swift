import Foundation
import Logging
import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire

// One job from its lease to its settlement.
extension WorkerSession {
    func begin(_ jobs: [LeasedJob]) {
        held.add(jobs)
        beginDirectly(jobs.filter(isDirect))
        for leased in jobs where !isDirect(leased) {
            // Unstructured: an attempt lives as long as its lease, which ends by settlement, loss or drain; `drain` waits for all.
            let task = Task(executorPreference: engine.pipeline.decodes ? executor : nil) {
                settler.add(await outcome(of: leased), of: leased, coldStartSeconds: coldStart(of: leased))
            }
            held.start(leased.token) { task.cancel() }
        }
    }

    private func outcome(of leased: LeasedJob) async -> SettleRequest.Outcome {
        let folder = AttemptFolder(path: scratchFolder, of: leased.token)
        defer { folder.remove() }
        do {
            let run = JobRun(
                leased: leased, configuration: configuration, pipeline: engine.pipeline, batcher: batcher, decoding: decoding, risk: risk, held: held,
                transfer: transfer, results: results(of: leased), folder: folder, keeper: keeper(of: leased, folder), stages: stages)
            let (inline, files) = try await run.outputs()
            return .succeeded(outputs: files, inline: inline)
        } catch where error.isDiskFull && held.stopReason(leased.token) == nil {
            // No fault of the job's: it is given back uncounted, slowly enough not to go round in circles.
            try? await surroundings.sleep(.seconds(1))
            return outcome(of: DiskFull(), in: leased)
        } catch {
            return outcome(of: error, in: leased)
        }
    }

    func outcome(of error: any Error, in leased: LeasedJob) -> SettleRequest.Outcome {
        if let reason = held.stopReason(leased.token) {
            return .stopped(reason, at: held.stage(leased.token) ?? .preparing, runLimit: configuration.runLimit)
        }
        switch error {
        case let failure as JobFailure where failure.code == ErrorCode.modelUnavailable.rawValue:
            // It says nothing about the job: another worker may have the model. This one cannot go on.
            logger.error("the model is gone; stopping", metadata: ["error": "\(failure.message)"])
            shutdown.raise()
            return .released(reason: failure.message)
        case let failure as JobFailure: return .failed(failure)
        case let error as MillraceError: return .failed(JobFailure(error, retryable: error.code == .unavailable))
        case is CancellationError: return .released(reason: "the worker is stopping")
        case is DiskFull: return .released(reason: "the disk is full")
        default: return .failed(JobFailure(.internal, "\(error)", retryable: true))
        }
    }

    /// A job that was waiting while this worker started paid for the start.
    func coldStart(of leased: LeasedJob) -> Double? {
        leased.createdAt < readyAt && leased.attempt == 1 ? readyAt.since(start.startedAt).seconds : nil
    }

    private func keeper(of leased: LeasedJob, _ folder: AttemptFolder) -> SegmentKeeper {
        SegmentKeeper(
            leased: leased, model: configuration.modelVersion, interval: configuration.checkpointInterval, surroundings: surroundings,
            transfer: transfer, results: results(of: leased), folder: folder
        ) { [checkpoints] in try await checkpoints.record($0, of: leased) }
    }

    func results(of leased: LeasedJob) -> OutputStore {
        OutputStore(transfer: transfer) { try await reserveBlob(for: leased) }
    }

    private func reserveBlob(for leased: LeasedJob) async throws -> BlobReservationResponse {
        try await gateway.call(
            "/v1/worker/blobs", BlobReservationRequest(worker: registration.worker, job: leased.id, token: leased.token),
            patience: Self.patienceBusy)
    }
}

extension SettleRequest.Outcome {
    /// What is told of an attempt that was stopped.
    static func stopped(_ reason: CancellationReason, at stage: HeldJobs.Stage, runLimit: Duration) -> Self {
        switch reason {
        case .cancelled, .lost: .cancelled
        case .draining: .released(reason: "the worker is stopping")
        // The others took its time: it has shown nothing of itself.
        case .timeout where stage == .waiting: .released(reason: "its time passed while it waited behind other jobs of its worker")
        case .timeout:
            .failed(
                JobFailure(
                    .runLimitExceeded, "the attempt ran longer than \(Int(runLimit.seconds)) s",
                    hint: "raise the endpoint's runLimit, or let the handler save checkpoints"))
        }
    }
}

/// There was no room for a job's files on this machine.
private struct DiskFull: Error {}

extension Error {
    fileprivate var isDiskFull: Bool {
        switch self {
        case let failure as JobFailure: failure.code == ErrorCode.storageFull.rawValue
        case let error as MillraceError: error.code == .storageFull
        case let error as CocoaError: error.code == .fileWriteOutOfSpace
        default: false
        }
    }
}
