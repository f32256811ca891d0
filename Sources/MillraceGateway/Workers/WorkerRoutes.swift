import HTTPTypes
import Hummingbird
import Logging
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceWire

/// `/v1/worker/...`: how workers take jobs and bring results. Served on the Unix socket, whose file permission is the guard, and to
/// holders of a worker's key.
struct WorkerRoutes: Sendable {
    let queue: JobQueue
    let blobs: any BlobStore
    let signer: BlobURLSigner
    let endpoints: EndpointDirectory
    let known: KnownWorkers
    let joined: JoinedFleet?
    let surroundings: Surroundings
    let leaseDuration: Duration
    let heartbeat: Duration
    let waitMax: Duration
    let bytesMax: Int

    func add(to doors: inout Doors) {
        doors.post("/v1/worker/register", .worker) { try await register($0, $1) }
        doors.post("/v1/worker/lease", .worker) { try await lease($0, $1) }
        doors.post("/v1/worker/heartbeat", .worker) { try await heartbeat($0, $1) }
        doors.post("/v1/worker/settle", .worker) { try await settle($0, $1) }
        doors.post("/v1/worker/blobs", .worker) { try await reserveBlob($0, $1) }
        doors.post("/v1/worker/deregister", .worker) { try await deregister($0, $1) }
    }

    // MARK: Coming and going

    private func register(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let body = try await request.json(RegisterRequest.self, bytesMax: bytesMax)
        try context.principal.worker?.check(body.endpoint, instance: body.instance)
        try await checkHolder(of: body.worker, context)
        guard joined?.mayRegister(body.instance, for: body.endpoint) ?? true else {
            throw MillraceError(.forbidden, "\(body.instance) was ordered for another endpoint")
        }
        let endpoint = try endpoints.endpoint(named: body.endpoint)
        guard body.variant == endpoint.variant else {
            throw MillraceError(.endpointUnknown, "\"\(endpoint.name)\" has no variant \"\(body.variant)\"", hint: "variants: \(endpoint.variant)")
        }
        let now = surroundings.now()
        // How long ago it was tells the worker's clock, and when that was tells ours.
        let age = max((body.sentAt ?? now).since(body.startedAt), .zero)
        try await queue.register(
            WorkerRecord(
                id: body.worker, endpoint: body.endpoint, variant: body.variant, instance: body.instance, host: body.host,
                processID: body.processID, startedAt: now - age, seenAt: now, idleSince: now))
        known.remember(body.worker, as: .init(endpoint: body.endpoint, variant: body.variant, instance: body.instance))
        context.logger.info("worker registered", metadata: ["worker.id": "\(body.worker)", "endpoint": "\(body.endpoint)"])
        return try .json(
            RegisterResponse(configuration: endpoint, leaseSeconds: leaseDuration.seconds, heartbeatSeconds: heartbeat.seconds, now: surroundings.now()))
    }

    private func deregister(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let body = try await request.json(DeregisterRequest.self, bytesMax: bytesMax)
        try await checkHolder(of: body.worker, context)
        try await queue.deregister(body.worker)
        known.forget(body.worker)
        context.logger.info("worker gone", metadata: ["worker.id": "\(body.worker)"])
        return Response(status: .noContent)
    }

    /// A worker's key acts for workers that it may have started. What is not known does no harm.
    private func checkHolder(of worker: WorkerID, _ context: GatewayContext) async throws {
        guard let access = context.principal.worker else { return }
        do {
            let role = try await known.role(of: worker, in: queue)
            try access.check(role.endpoint, instance: role.instance)
        } catch let error as MillraceError where error.code == .workerUnknown {}
    }

    // MARK: Work

    private func lease(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let body = try await request.message(LeaseRequest.self, bytesMax: bytesMax)
        guard body.jobsMax > 0, body.waitSeconds.isFinite, body.waitSeconds >= 0 else {
            throw MillraceError(.malformedRequest, "\"jobsMax\" must be at least 1 and \"waitSeconds\" at least 0")
        }
        let role = try await known.role(of: body.worker, in: queue)
        try context.principal.worker?.check(role.endpoint, instance: role.instance)
        // Beside the look for work: a job that comes is given out by the commit that keeps these.
        async let verdicts = settle(body.reports)
        // A draining worker that is not asked about here gets nothing, and hears why with its empty answer.
        if !known.wasTouched(body.worker, within: leaseDuration / 8, at: surroundings.now()), try await queue.touch(body.worker, readyAt: nil) {
            return try .json(LeaseResponse(jobs: [], draining: true, verdicts: try? await verdicts))
        }
        let demand = LeaseDemand(
            worker: body.worker, endpoint: role.endpoint, variant: role.variant, jobsMax: body.jobsMax, duration: leaseDuration,
            held: Set(body.held), request: body.request, quotas: try endpoints.endpoint(named: role.endpoint).quotas)
        // Who reports wants to know soon that it was heard.
        let wait = min(.milliseconds(Int64(min(body.waitSeconds, 86_400) * 1000)), body.reports == nil ? waitMax : Self.reportingWaitMax)
        // A worker that hangs up must not be given work: the wait ends with its connection.
        let leased = try await context.waiting { try await queue.leaseWaiting(demand, atMost: wait) } ?? []
        if !leased.isEmpty, try await context.hasHungUp() {
            try await giveBack(leased)
            throw MillraceError(.unavailable, "the worker hung up")
        }
        // Who reports asks again at once; to note each time that it was seen would cost a sync a job.
        let draining = leased.isEmpty && body.reports == nil ? try await queue.touch(body.worker, readyAt: nil) : false
        var jobs: [LeasedJob] = []
        for job in leased { if let job = try await granted(job, context.principal.worker) { jobs.append(job) } }
        // Jobs that are leased already must not suffer from a report that cannot be kept: without verdicts it is told again.
        return try .json(LeaseResponse(jobs: jobs, draining: draining, verdicts: try? await verdicts))
    }

    /// How long a worker that reports waits for work: where jobs come by the hundred, long enough for the next one.
    private static let reportingWaitMax: Duration = .milliseconds(20)

    private func giveBack(_ jobs: [Job]) async throws {
        _ = try await queue.settle(
            jobs.compactMap { job in
                job.lease.map { AttemptReport(job: job.id, token: $0.token, outcome: .released(reason: "the worker went away")) }
            })
    }

    /// The job with access to its files.
    private func granted(_ job: Job, _ access: WorkerAccess?) async throws -> LeasedJob? {
        guard let token = job.lease?.token else { return nil }
        let validity = job.runLimit + .seconds(900)
        func file(_ file: JobFile) async throws -> LeasedJob.File {
            .init(file: file, access: try await grant(.read, to: file.blob, for: validity, access, lease: nil))
        }
        var files: [LeasedJob.File] = []
        for input in job.files { files.append(try await file(input)) }
        var checkpoint: LeasedJob.Checkpoint?
        if let known = job.checkpoint {
            checkpoint = .init(file: nil, position: known.position)
            if let own = known.file { checkpoint?.file = try await file(own) }
            for segment in known.segments { checkpoint?.segments.append(try await file(segment)) }
        }
        return LeasedJob(
            id: job.id, token: token, attempt: job.attempt, crashes: job.crashes > 0 ? job.crashes : nil, createdAt: job.createdAt,
            parameters: job.parameters.isEmpty ? nil : RawJSON(.object(job.parameters)),
            input: job.input, files: files,
            checkpoint: checkpoint, traceparent: job.traceparent)
    }

    /// A path is of no use on another machine: there, the gateway itself gives and takes the bytes.
    private func grant(
        _ kind: BlobAccess, to blob: BlobID, for validity: Duration, _ access: WorkerAccess?, lease: LeaseToken?
    ) async throws -> BlobAccessGrant {
        let grant = try await blobs.grant(kind, to: blob, for: validity)
        guard let access, case .path = grant else { return BlobAccessGrant(grant) }
        return BlobAccessGrant(url: signer.path(for: kind, to: blob, validity: validity, bond: .init(key: access.key, lease: lease)))
    }

    private func heartbeat(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let body = try await request.message(HeartbeatRequest.self, bytesMax: bytesMax)
        try await checkHolder(of: body.worker, context)
        // First: a worker that is not known registers and asks again, and nothing is written twice.
        let now = surroundings.now()
        let draining = try await queue.touch(body.worker, readyAt: body.readyAt.map { min($0, now) })
        if let start = body.start { try await keep(start.ordered(until: now), of: body.worker) }
        var renewals: [LeaseRenewal] = []
        for item in body.items {
            renewals.append(
                LeaseRenewal(
                    job: item.job, token: item.token, duration: leaseDuration, progress: item.progress, logs: item.logs,
                    checkpoint: try await outputs.checked(item.checkpoint, of: item.job)))
        }
        let verdicts = renewals.isEmpty ? [] : try await queue.renew(renewals)
        return try .json(HeartbeatResponse(verdicts: verdicts.map { .init($0) }, draining: draining))
    }

    /// How a worker started, said once.
    private func keep(_ marks: ColdStart.Marks, of id: WorkerID) async throws {
        let role = try await known.role(of: id, in: queue)
        try await queue.keep(ColdStart(instance: role.instance, endpoint: role.endpoint, variant: role.variant, worker: id, marks: marks))
    }

    private func settle(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let body = try await request.message(SettleRequest.self, bytesMax: bytesMax)
        return try .json(SettleResponse(verdicts: try await settle(body.items) ?? []))
    }

    /// `nil` when there is nothing to settle.
    private func settle(_ items: [SettleRequest.Item]?) async throws -> [HeartbeatResponse.Verdict]? {
        guard let items, !items.isEmpty else { return nil }
        var reports: [AttemptReport] = []
        for item in items {
            reports.append(
                AttemptReport(
                    job: item.job, token: item.token, outcome: try await outputs.checked(item.outcome, of: item.job), logs: item.logs,
                    progress: item.progress, coldStart: item.coldStartSeconds.flatMap { (0...86_400).contains($0) ? .milliseconds(Int64($0 * 1000)) : nil }))
        }
        return try await queue.settle(reports).map { .init($0) }
    }

    private var outputs: OutputInspection { OutputInspection(queue: queue, blobs: blobs) }

    private func reserveBlob(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let body = try await request.json(BlobReservationRequest.self, bytesMax: bytesMax)
        guard let job = try await queue.job(body.job), job.state == .running, job.lease?.token == body.token,
            job.lease?.worker == body.worker
        else { throw MillraceError(.leaseLost, "the lease on job \(body.job) is lost") }
        let blob = BlobRecord(id: surroundings.makeID(), tenant: job.tenant, createdAt: surroundings.now(), writer: job.id)
        try await checkHolder(of: body.worker, context)
        try await queue.reserve(blob)
        let grant = try await grant(.write, to: blob.id, for: job.runLimit + .seconds(900), context.principal.worker, lease: body.token)
        return try .json(BlobReservationResponse(blob: blob.id, access: grant), status: .created)
    }
}

extension BlobAccessGrant {
    init(_ grant: BlobGrant) {
        switch grant {
        case .path(let path): self.init(path: path)
        case .url(let url): self.init(url: url)
        }
    }
}

extension HeartbeatResponse.Verdict {
    init(_ verdict: LeaseVerdict) {
        self =
            switch verdict {
            case .held: .held
            case .cancel: .cancel
            case .timeout: .timeout
            case .lost: .lost
            }
    }
}
