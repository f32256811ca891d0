import Foundation
import Logging
import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire

// One job from its lease to its settlement.
extension WorkerSession {
    func begin(_ leased: LeasedJob) {
        held.add(leased)
        // Unstructured: an attempt lives as long as its lease, which ends by settlement, loss or drain; `drain` waits for all.
        let task = Task(executorPreference: executor) {
            await settle(leased, await outcome(of: leased))
            held.remove(leased.token)
        }
        held.start(leased.token, task)
    }

    private func outcome(of leased: LeasedJob) async -> SettleRequest.Outcome {
        let folder = "\(scratchFolder)/\(leased.token)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let run = JobRun(
                leased: leased, configuration: configuration, pipeline: engine.pipeline, batcher: batcher, decoding: decoding, held: held,
                transfer: transfer, reserveBlob: { try await reserveBlob(for: leased) }, folder: folder)
            return .succeeded(outputs: try await run.outputs())
        } catch {
            return outcome(of: error, in: leased)
        }
    }

    private func outcome(of error: any Error, in leased: LeasedJob) -> SettleRequest.Outcome {
        if let reason = held.stopReason(leased.token) {
            switch reason {
            case .cancelled, .lost: return .cancelled
            case .draining: return .released(reason: "the worker is stopping")
            case .timeout:
                return .failed(
                    JobFailure(
                        .runLimitExceeded, "the attempt ran longer than \(Int(configuration.runLimit.seconds)) s",
                        hint: "raise the endpoint's runLimit, or let the handler save checkpoints"))
            }
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
        default: return .failed(JobFailure(.internal, "\(error)", retryable: true))
        }
    }

    /// Reports how the attempt ended, again and again until the gateway has heard it: an outcome is never dropped silently.
    private func settle(_ leased: LeasedJob, _ outcome: SettleRequest.Outcome) async {
        let last = held.beginSettling(leased.token)
        guard last.stop != .lost else {
            logger.warning("lease lost; the attempt's result is dropped", metadata: ["job.id": "\(leased.id)"])
            return
        }
        let item = SettleRequest.Item(
            job: leased.id, token: leased.token, outcome: outcome, logs: last.logs, progress: last.progress,
            coldStartSeconds: coldStart(of: leased))
        // A task of its own, so that a stop of the attempt does not cut off its report.
        let report = Task { [gateway, worker = registration.worker] in
            try await gateway.call(
                "/v1/worker/settle", SettleRequest(worker: worker, items: [item]), patience: Self.patienceBusy, as: SettleResponse.self)
        }
        switch await report.result {
        case .success(let answer) where answer.verdicts.first == .lost:
            logger.warning("lease lost at the end; the result was refused or is already recorded", metadata: ["job.id": "\(leased.id)"])
        case .success: logger.info("settled", metadata: ["job.id": "\(leased.id)", "outcome": "\(outcome.name)"])
        case .failure(let error):
            logger.error("could not report an attempt; its lease will expire", metadata: ["job.id": "\(leased.id)", "error": "\(error)"])
        }
    }

    /// A job that was waiting while this worker started paid for the start.
    private func coldStart(of leased: LeasedJob) -> Double? {
        leased.createdAt < readyAt && leased.attempt == 1 ? readyAt.since(registration.startedAt).seconds : nil
    }

    private func reserveBlob(for leased: LeasedJob) async throws -> BlobReservationResponse {
        try await gateway.call(
            "/v1/worker/blobs", BlobReservationRequest(worker: registration.worker, job: leased.id, token: leased.token),
            patience: Self.patienceBusy)
    }
}

extension SettleRequest.Outcome {
    fileprivate var name: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed(let failure): "failed: \(failure.code)"
        case .cancelled: "cancelled"
        case .released: "released"
        }
    }
}

/// Makes a checkpoint durable: bytes into the blob store first, then the fenced row.
struct CheckpointWriter: Sendable {
    let worker: WorkerID
    let gateway: GatewayConnection
    let transfer: BlobTransfer
    let held: HeldJobs

    func store(fileAt path: String, position: JSONValue, of leased: LeasedJob) async throws {
        let place: BlobReservationResponse = try await gateway.call(
            "/v1/worker/blobs", BlobReservationRequest(worker: worker, job: leased.id, token: leased.token),
            patience: WorkerSession.patienceBusy)
        let digest = try await transfer.store(fileAt: path, to: place.access)
        let file = JobFile(
            name: "checkpoint", blob: place.blob, mediaType: "application/octet-stream", bytes: digest.bytes, sha256: digest.sha256)
        let item = HeartbeatRequest.Item(
            job: leased.id, token: leased.token, checkpoint: JobCheckpoint(file: file, position: position))
        let answer: HeartbeatResponse = try await gateway.call(
            "/v1/worker/heartbeat", HeartbeatRequest(worker: worker, readyAt: nil, items: [item]),
            patience: WorkerSession.patienceBusy)
        switch answer.verdicts.first {
        case .lost, nil:
            held.stop(leased.token, reason: .lost)
            throw MillraceError(.leaseLost, "the lease of job \(leased.id) is lost")
        case .cancel: held.stop(leased.token, reason: .cancelled)
        case .timeout: held.stop(leased.token, reason: .timeout)
        case .held: break
        }
    }
}
