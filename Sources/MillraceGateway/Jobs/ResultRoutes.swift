import HTTPTypes
import Hummingbird
import MillraceCore

/// `GET /v1/jobs/{id}/result` and `/result/{name}`.
struct ResultRoutes: Sendable {
    let jobs: JobRoutes
    let answer: BlobAnswer

    func add(to doors: inout Doors) {
        doors.get("/v1/jobs/:job/result") { try await give($0, $1, name: nil) }
        doors.get("/v1/jobs/:job/result/:name") { try await give($0, $1, name: try $1.parameters.require("name")) }
    }

    /// - Parameter name: `nil`: the first output, which is the result proper.
    private func give(_ request: Request, _ context: GatewayContext, name: String?) async throws -> Response {
        try QueryItems(request).allow()
        let job = try await jobs.job(context)
        try Self.checkHasResult(job)
        if let inline = job.inlineOutputs.first(where: { name == nil || $0.name == name }) {
            return try await answer.response(
                to: request, with: .init(inline), filename: ContentDisposition.filename(named: inline.name, mediaType: inline.mediaType))
        }
        guard let file = job.outputs.first(where: { name == nil || $0.name == name }) else {
            let names = (job.inlineOutputs.map(\.name) + job.outputs.map(\.name)).joined(separator: ", ")
            throw MillraceError(
                .notFound, name.map { "job \(job.id) has no output \"\($0)\"" } ?? "job \(job.id) has no output",
                hint: names.isEmpty ? nil : "outputs: \(names)")
        }
        return try await answer.response(to: request, with: file, filename: ContentDisposition.filename(of: file))
    }

    private static func checkHasResult(_ job: Job) throws {
        switch job.state {
        case .succeeded: return
        case .failed:
            let failure = job.failure
            throw Problem(
                MillraceError(
                    ErrorCode(rawValue: failure?.code ?? ErrorCode.resultNotReady.rawValue),
                    "the job failed: \(failure?.message ?? "nobody said why")", hint: failure?.hint), status: .conflict)
        case .cancelled, .expired:
            throw MillraceError(.resultNotReady, "the job is \(job.state.rawValue) and has no result", hint: "POST /v1/jobs/\(job.id)/retry runs it again")
        case .queued, .running:
            throw MillraceError(
                .resultNotReady, "the job is \(job.state.rawValue)", hint: "wait for it with GET /v1/jobs/\(job.id)?wait=30, or follow its events")
        }
    }
}
