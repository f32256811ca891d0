import Foundation
import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue

/// `POST /v1/endpoints/{endpoint}/jobs/bulk`: up to 10,000 jobs in one request, each with a verdict of its own.
struct BulkRoutes: Sendable {
    let endpoints: EndpointDirectory
    let admission: JobAdmission
    let intake: BlobIntake
    let bytesMax: Int

    static let jobsMax = 10_000
    /// Jobs in one step of the store: others may write in between.
    static let jobsPerStep = 500

    func add(to doors: inout Doors) {
        doors.post("/v1/endpoints/:endpoint/jobs/bulk") { try await submit($0, $1) }
    }

    private func submit(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        guard request.headers[.idempotencyKey] == nil else {
            throw MillraceError(
                .malformedRequest, "a bulk submit takes no Idempotency-Key of its own",
                hint: #"give each job its key: {"input": ..., "idempotencyKey": "..."}"#)
        }
        let endpoint = try endpoints.endpoint(named: try context.parameters.require("endpoint"))
        let body = try await request.bytes(atMost: bytesMax)
        // Megabytes of JSON, hashed where jobs have keys: not on the event loop, where other connections would wait for it.
        return try await withTaskExecutorPreference(globalConcurrentExecutor) {
            try await submit(body, request, endpoint, as: context.principal)
        }
    }

    private func submit(
        _ body: Data, _ request: Request, _ endpoint: EndpointConfiguration, as principal: Principal
    ) async throws -> Response {
        let items = try BulkReader(jobsMax: Self.jobsMax).read(body, contentType: request.headers[.contentType])
        var maker = BulkJobMaker(endpoint: endpoint, principal: principal, admission: admission, intake: intake, headers: request.headers)
        var verdicts: [BulkVerdict] = []
        verdicts.reserveCapacity(items.count)
        for start in stride(from: 0, to: items.count, by: Self.jobsPerStep) {
            verdicts += try await admit(items[start..<min(start + Self.jobsPerStep, items.count)], endpoint, &maker)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/json"], body: .init(byteBuffer: .init(bytes: BulkVerdict.document(of: verdicts))))
    }

    /// One step: what cannot be a job has its verdict already, the others get the store's.
    private func admit(
        _ items: ArraySlice<Result<JobDocument, MillraceError>>, _ endpoint: EndpointConfiguration, _ maker: inout BulkJobMaker
    ) async throws -> [BulkVerdict] {
        var verdicts: [BulkVerdict] = []
        var jobs: [NewJob] = []
        var places: [Int] = []
        for item in items {
            switch item {
            case .failure(let error): verdicts.append(.refused(error))
            case .success(let item):
                do {
                    jobs.append(try await maker.job(item))
                    places.append(verdicts.count)
                    verdicts.append(.refused(MillraceError(.internal, "the store gave no verdict about a job")))
                } catch let error as MillraceError {
                    verdicts.append(.refused(error))
                }
            }
        }
        do {
            let admissions = try await admission.queue.admit(jobs, within: endpoint.quotas)
            for (place, admission) in zip(places, admissions) { verdicts[place] = BulkVerdict(admission) }
        } catch let error as MillraceError {
            // What was taken in before stays; whoever asks again for these needs idempotency keys to be sure.
            for place in places { verdicts[place] = .refused(error) }
        }
        return verdicts
    }
}

/// What became of one job of a bulk submit.
enum BulkVerdict: Sendable {
    case accepted(JobID, replayed: Bool)
    case refused(MillraceError)

    init(_ admission: Admission) {
        switch admission {
        case .admitted(let job): self = .accepted(job.id, replayed: false)
        case .existing(let job): self = .accepted(job.id, replayed: true)
        case .conflict(let id): self = .refused(.idempotencyConflict(with: id))
        case .refused(let error): self = .refused(error)
        }
    }

    /// `{"accepted":…,"jobs":[…],"refused":…}`, the verdicts in the order of the jobs.
    static func document(of verdicts: [BulkVerdict]) -> [UInt8] {
        var writer = JSONWriter(capacity: verdicts.count * 64 + 64)
        let accepted = verdicts.count { if case .accepted = $0 { true } else { false } }
        writer.object { writer in
            writer.key("accepted")
            writer.integer(accepted)
            writer.key("jobs")
            writer.array(verdicts) { $0.write(to: &$1) }
            writer.key("refused")
            writer.integer(verdicts.count - accepted)
        }
        writer.literal("\n")
        return writer.bytes
    }

    private func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .accepted(let id, let replayed):
                writer.key("id")
                writer.value(id)
                if replayed {
                    writer.key("replayed")
                    writer.bool(true)
                }
                writer.key("status")
                writer.integer(202)
            case .refused(let error):
                writer.optional("code", error.code.rawValue)
                writer.optional("detail", error.message)
                writer.optional("hint", error.hint)
                writer.optional("retryAfterSeconds", error.retryAfter.map { $0.seconds })
                writer.key("status")
                writer.integer(error.code.status.code)
            }
        }
    }
}

extension MillraceError {
    static func idempotencyConflict(with id: JobID) -> MillraceError {
        MillraceError(
            .idempotencyConflict, "this Idempotency-Key came before with another request, which made job \(id)",
            hint: "use a new key for a new request")
    }
}
