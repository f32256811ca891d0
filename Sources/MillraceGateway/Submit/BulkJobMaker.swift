import HTTPTypes
import MillraceCore
import MillraceQueue
import MillraceWire

/// Makes jobs of the items of a bulk submit. What is the same for all is looked at once.
struct BulkJobMaker {
    private let endpoint: EndpointConfiguration
    private let principal: Principal
    private let admission: JobAdmission
    private let reader: SubmissionReader
    private let headers: HTTPFields
    private let plainParameters: Result<[String: JSONValue], MillraceError>
    private let inlineRefusal: MillraceError?
    private var callbacks: [String: MillraceError?] = [:]

    init(endpoint: EndpointConfiguration, principal: Principal, admission: JobAdmission, intake: BlobIntake, headers: HTTPFields) {
        self.endpoint = endpoint
        self.principal = principal
        self.admission = admission
        self.headers = headers
        reader = SubmissionReader(
            endpoint: endpoint, tenant: principal.tenant, intake: intake, pending: PendingBlobs(intake.blobs), jsonBytesMax: .max)
        plainParameters = Result { try endpoint.manifest.checkedParameters([:]) }.mapError(Self.millraceError)
        let inline = Result { [reader] in try reader.checkInlineAccepted() }.mapError(Self.millraceError)
        inlineRefusal = if case .failure(let error) = inline { error } else { nil }
    }

    /// - Throws: ``MillraceError`` when it cannot be a job.
    mutating func job(_ item: JobDocument) async throws -> NewJob {
        if item.input != nil, let inlineRefusal { throw inlineRefusal }
        let submission = try await reader.submission(item).checked(for: endpoint.manifest)
        if let callback = submission.callback { try await check(callback) }
        let parameters =
            submission.parameters.isEmpty ? try plainParameters.get() : try endpoint.manifest.checkedParameters(submission.parameters)
        var new = NewJob(job: try admission.job(submission, parameters, endpoint, principal, headers))
        if let key = item.idempotencyKey {
            new.idempotency = .init(
                key: try JobAdmission.checked(idempotencyKey: key),
                fingerprint: try submission.fingerprint(method: "POST", endpoint: endpoint.name, parameters: parameters))
        }
        return new
    }

    /// A name is looked up once for each request.
    private mutating func check(_ callback: String) async throws {
        if let known = callbacks[callback] {
            if let refusal = known { throw refusal }
            return
        }
        do {
            try await admission.callbacks.check(callback)
            callbacks[callback] = .some(nil)
        } catch let error as MillraceError {
            callbacks[callback] = error
            throw error
        }
    }

    private static func millraceError(_ error: any Error) -> MillraceError {
        error as? MillraceError ?? MillraceError(.internal, "\(error)")
    }
}
