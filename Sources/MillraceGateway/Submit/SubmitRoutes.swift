import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceWire

/// `POST /v1/endpoints/{endpoint}/jobs`.
struct SubmitRoutes: Sendable {
    let endpoints: EndpointDirectory
    let admission: JobAdmission
    let intake: BlobIntake
    let jobs: JobRoutes
    let jsonBytesMax: Int

    func add(to doors: inout Doors) {
        doors.post("/v1/endpoints/:endpoint/jobs") { try await submit($0, $1) }
    }

    private func submit(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let endpoint = try endpoints.endpoint(named: try context.parameters.require("endpoint"))
        let pending = PendingBlobs(intake.blobs)
        let admitted: JobAdmission.Admitted
        do {
            let reader = SubmissionReader(
                endpoint: endpoint, tenant: context.principal.tenant, intake: intake, pending: pending, jsonBytesMax: jsonBytesMax)
            let submission = try await reader.read(request)
            admitted = try await admission.admit(
                submission, pending: pending, to: endpoint, as: context.principal, headers: request.headers)
        } catch {
            await pending.discard()
            throw error
        }
        var headers: HTTPFields = [.location: "/v1/jobs/\(admitted.job.id)"]
        if admitted.replayed { headers[.idempotencyReplayed] = "true" }
        var job = admitted.job
        if let wait = Preference.wait(in: request.headers, limit: jobs.waitMax) {
            headers[.preferenceApplied] = "wait=\(wait.components.seconds)"
            job = try await jobs.wait(for: job, atMost: wait, context)
        }
        return try .json(
            JobResource(job, now: admission.surroundings.now()), status: job.state.isFinal ? .ok : .accepted, headers: headers)
    }
}
