import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue

/// Makes a job of a submission and takes it into the queue.
struct JobAdmission: Sendable {
    let queue: JobQueue
    let callbacks: CallbackGuard
    let surroundings: Surroundings

    struct Admitted: Sendable {
        var job: Job
        /// The request came before, under the same `Idempotency-Key`.
        var replayed: Bool
    }

    /// When this returns, the job and its inputs are durable. What is `pending` afterwards is needed by no job.
    func admit(
        _ submission: Submission, pending: PendingBlobs, to endpoint: EndpointConfiguration, as principal: Principal, headers: HTTPFields
    ) async throws -> Admitted {
        let parameters = try endpoint.manifest.checkedParameters(submission.parameters)
        if let callback = submission.callback { try await callbacks.check(callback) }
        var new = NewJob(job: try job(submission, parameters, endpoint, principal, headers))
        if let key = try Self.idempotencyKey(in: headers) {
            let fingerprint = try submission.fingerprint(method: "POST", endpoint: endpoint.name, parameters: parameters)
            new.idempotency = .init(key: key, fingerprint: fingerprint)
        }
        let admissions: [Admission]
        do {
            admissions = try await queue.admit([new], within: endpoint.quotas)
        } catch {
            // The job may have been recorded all the same.
            pending.keep()
            throw error
        }
        guard let admission = admissions.first else {
            throw MillraceError(.internal, "the store gave no verdict about a job")
        }
        switch admission {
        case .admitted(let job):
            pending.keep()
            return Admitted(job: job, replayed: false)
        case .existing(let job):
            if job.id == new.job.id { pending.keep() } else { await pending.discard() }
            return Admitted(job: job, replayed: true)
        case .refused(let error): throw error
        case .conflict(let id): throw MillraceError.idempotencyConflict(with: id)
        }
    }

    func job(
        _ submission: Submission, _ parameters: [String: JSONValue], _ endpoint: EndpointConfiguration, _ principal: Principal,
        _ headers: HTTPFields
    ) throws -> Job {
        let now = surroundings.now()
        let times = try submission.times(acceptedAt: now, for: endpoint)
        return Job(
            id: surroundings.makeID(), tenant: principal.tenant, endpoint: endpoint.name, variant: endpoint.variant,
            priority: submission.priority ?? 5, parameters: parameters, input: submission.input, files: submission.files,
            callback: submission.callback ?? endpoint.callback, retry: endpoint.retry, runLimit: endpoint.runLimit,
            traceparent: headers[.traceparent].flatMap { Self.isTraceparent($0) ? $0 : nil }, createdAt: now,
            runAt: times.runAt, expiresAt: times.expiresAt, deadline: times.deadline)
    }

    private static func idempotencyKey(in headers: HTTPFields) throws -> String? {
        try headers[.idempotencyKey].map { try checked(idempotencyKey: $0) }
    }

    static func checked(idempotencyKey key: String) throws -> String {
        guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
            throw MillraceError(.malformedRequest, "an Idempotency-Key has 1 to 255 printable ASCII characters")
        }
        return key
    }

    /// W3C Trace Context, 3.2: `00-<32 hex>-<16 hex>-<2 hex>`. Another version may have more at its end.
    static func isTraceparent(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0] != "ff", parts[0] == "00" ? parts.count == 4 : true, text.utf8.count <= 256 else { return false }
        let isHex = zip(parts, [2, 32, 16, 2]).allSatisfy { part, length in
            part.utf8.count == length && part.utf8.allSatisfy { Character(UnicodeScalar($0)).isHexDigit && !(65...70).contains($0) }
        }
        return isHex && parts[1].contains { $0 != "0" } && parts[2].contains { $0 != "0" }
    }
}
