import Hummingbird
import Logging
import MillraceCloud
import MillraceCore
import MillraceQueue
import NIOCore

/// The HTTP face of Millrace: one address for clients, one socket for this machine's workers, and the sender of webhooks.
///
/// Put ``publicServer``, ``workerServer`` and ``deliveries`` into the process's service group. A gateway keeps nothing that is
/// not in the store, so any number of them may run on one.
public struct Gateway: Sendable {
    /// `/v1`, health, metrics; over TCP. Worker routes ask for a worker's key here, whatever else is asked for one.
    public let publicServer: GatewayServer
    /// The same on the Unix socket, where nobody is asked for a key.
    public let workerServer: GatewayServer
    public let deliveries: DeliveryService
    public let keys: APIKeys
    /// Renews the certificate; there when the server speaks TLS itself. Put it into the service group too.
    public let tls: TLSIdentity?
    /// Signs the blob URLs that this gateway serves.
    public let blobURLs: BlobURLSigner

    /// - Parameters:
    ///   - blobURLs: the signer that the blob store grants URLs with, when it does; else the gateway makes its own.
    ///   - joined: the machines that join through this gateway; `nil`: none may.
    ///   - prometheus: what `/metrics` shows beside the gauges that are read from the store.
    public init(
        configuration: GatewayConfiguration, queue: JobQueue, blobs: any BlobStore, blobURLs: BlobURLSigner? = nil,
        joined: JoinedFleet? = nil, prometheus: PrometheusMetrics? = nil, surroundings: Surroundings = .system, logger: Logger
    ) throws {
        let signer = blobURLs ?? BlobURLSigner(
            key: configuration.blobURLKey, baseURL: "http://\(configuration.host):\(configuration.port)", surroundings: surroundings)
        let keys = APIKeys(store: queue, surroundings: surroundings)
        let rooms = Rooms(
            configuration: configuration, queue: queue, blobs: blobs, reserved: ReservedBlobs(queue: queue, surroundings: surroundings),
            signer: signer, keys: keys, joined: joined, prometheus: prometheus, surroundings: surroundings)
        self.blobURLs = signer
        self.keys = keys
        let tls = try configuration.tls.map { try TLSIdentity($0, surroundings: surroundings, logger: logger) }
        self.tls = tls
        let doors = rooms.doors
        func server(_ binding: GatewayServer.Binding, _ keeper: Doorkeeper, _ limits: GatewayServer.Limits, tls: TLSIdentity? = nil) -> GatewayServer {
            GatewayServer(
                binding: binding, router: doors.router(keeper: keeper, surroundings: surroundings), limits: limits,
                acceptance: rooms.acceptance, tls: tls, logger: logger)
        }
        publicServer = server(
            .tcp(host: configuration.host, port: configuration.port),
            Doorkeeper(keys: configuration.authentication == .required ? keys : nil, workerKeys: keys),
            .init(
                idle: configuration.idleTimeout, firstRequest: configuration.firstRequestTimeout,
                connectionsMax: configuration.connectionsMax),
            tls: tls)
        workerServer = server(
            .unix(path: configuration.workerSocketPath), Doorkeeper(keys: nil, workerKeys: nil), .init(idle: configuration.idleTimeout))
        deliveries = DeliveryService(
            queue: queue,
            sender: WebhookSender(
                callbacks: rooms.callbacks, clients: PinnedClients(), timeout: configuration.webhooks.timeout, surroundings: surroundings),
            settings: configuration.webhooks, version: configuration.version, surroundings: surroundings, logger: logger)
    }

    /// Waits until clients can connect, and says at which port.
    public func port() async throws -> Int {
        try await publicServer.address().port ?? 0
    }
}

/// What the routes are made of, put together.
private struct Rooms {
    let configuration: GatewayConfiguration
    let queue: JobQueue
    let blobs: any BlobStore
    let reserved: ReservedBlobs
    let signer: BlobURLSigner
    let keys: APIKeys
    let joined: JoinedFleet?
    let prometheus: PrometheusMetrics?
    let surroundings: Surroundings
    let acceptance = Acceptance()

    var directory: EndpointDirectory { EndpointDirectory(configuration.endpoints) }
    var callbacks: CallbackGuard {
        CallbackGuard(allowedHosts: configuration.webhooks.allowedHosts, trusted: directory.callbacks, resolver: .system)
    }
    private var intake: BlobIntake { BlobIntake(queue: queue, blobs: blobs, reserved: reserved, surroundings: surroundings) }
    private var uploadBytesMax: Int64 {
        configuration.uploadBytesMax ?? configuration.endpoints.map(\.limits.bytesMax).max() ?? EndpointLimits().bytesMax
    }

    var doors: Doors {
        var doors = Doors()
        let accounts = ScalingAccounts(queue: queue, directory: directory, currency: configuration.currency, surroundings: surroundings)
        let jobs = JobRoutes(queue: queue, accounts: accounts, surroundings: surroundings, waitMax: configuration.waitMax)
        let answer = BlobAnswer(blobs: blobs)
        let admission = JobAdmission(queue: queue, callbacks: callbacks, surroundings: surroundings)
        SubmitRoutes(
            endpoints: directory, admission: admission, intake: intake, jobs: jobs, jsonBytesMax: configuration.jsonBytesMax
        ).add(to: &doors)
        BulkRoutes(endpoints: directory, admission: admission, intake: intake, bytesMax: configuration.bulkBytesMax).add(to: &doors)
        jobs.add(to: &doors)
        ManyJobsRoutes(queue: queue, surroundings: surroundings).add(to: &doors)
        HistoryRoutes(queue: queue, jobs: jobs).add(to: &doors)
        EventRoutes(queue: queue, jobs: jobs, surroundings: surroundings, heartbeat: configuration.eventHeartbeat).add(to: &doors)
        ResultRoutes(jobs: jobs, answer: answer).add(to: &doors)
        UploadRoutes(intake: intake, bytesMax: uploadBytesMax).add(to: &doors)
        BlobRoutes(
            intake: intake, signer: signer, keys: keys, answer: answer, bytesMax: uploadBytesMax, outputBytesMax: configuration.outputBytesMax
        ).add(to: &doors)
        ScalingRoutes(queue: queue, accounts: accounts, directory: directory, surroundings: surroundings).add(to: &doors)
        let overview = Overview(queue: queue, directory: directory)
        EndpointRoutes(queue: queue, directory: directory, overview: overview).add(to: &doors)
        StatusRoutes(
            queue: queue, overview: overview, version: configuration.version,
            effectiveSettings: configuration.effectiveSettings, prometheus: prometheus, startedAt: surroundings.now(),
            surroundings: surroundings, acceptance: acceptance
        ).add(to: &doors)
        addWorkerDoors(to: &doors, answer)
        return doors
    }

    private func addWorkerDoors(to doors: inout Doors, _ answer: BlobAnswer) {
        ModelRoutes(endpoints: directory, answer: answer).add(to: &doors)
        if let joined { MachineRoutes(fleet: joined, endpoints: directory, bytesMax: configuration.workerBytesMax).add(to: &doors) }
        WorkerRoutes(
            queue: queue, blobs: blobs, signer: signer, endpoints: directory, known: KnownWorkers(), joined: joined, surroundings: surroundings,
            leaseDuration: configuration.leaseDuration, heartbeat: configuration.heartbeat, waitMax: configuration.waitMax,
            bytesMax: configuration.workerBytesMax
        ).add(to: &doors)
    }
}
