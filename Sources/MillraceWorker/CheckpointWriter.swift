import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire

/// Makes a checkpoint durable: bytes into the blob store first, then the fenced row.
struct CheckpointWriter: Sendable {
    let worker: WorkerID
    let gateway: GatewayConnection
    let transfer: BlobTransfer
    let held: HeldJobs

    /// A handler's checkpoint: a file of its own.
    func store(fileAt path: String, position: JSONValue, of leased: LeasedJob) async throws {
        let place: BlobReservationResponse = try await gateway.call(
            "/v1/worker/blobs", BlobReservationRequest(worker: worker, job: leased.id, token: leased.token),
            patience: WorkerSession.patienceBusy)
        let digest = try await transfer.store(.file(path: path), to: place.access)
        let file = JobFile(
            name: "checkpoint", blob: place.blob, mediaType: "application/octet-stream", bytes: digest.bytes, sha256: digest.sha256)
        try await record(JobCheckpoint(file: file, position: position), of: leased)
    }

    /// Writes a checkpoint's row; its bytes are stored already.
    /// - Throws: `lease_lost`, after which nothing of this attempt is worth anything.
    func record(_ checkpoint: JobCheckpoint, of leased: LeasedJob) async throws {
        let item = HeartbeatRequest.Item(job: leased.id, token: leased.token, checkpoint: checkpoint)
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
