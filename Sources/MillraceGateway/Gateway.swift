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
    /// `/v1`, health, metrics; over TCP.
    public let publicServer: GatewayServer
    /// The same and `/v1/worker`, on the Unix socket, where nobody is asked for a key.
    public let workerServer: GatewayServer
    public let deliveries: DeliveryService
    public let keys: APIKeys
    /// Signs the blob URLs that this gateway serves.
    public let blobURLs: BlobURLSigner

    /// - Parameters:
    ///   - blobURLs: the signer that the blob store grants URLs with, when it does; else the gateway makes its own.
    ///   - prometheus: what `/metrics` shows beside the gauges that are read from the store.
    public init(
        configuration: GatewayConfiguration, queue: JobQueue, blobs: any BlobStore, blobURLs: BlobURLSigner? = nil,
        prometheus: PrometheusMetrics? = nil, surroundings: Surroundings = .system, logger: Logger
    ) {
        let signer = blobURLs ?? BlobURLSigner(
            key: configuration.blobURLKey, baseURL: "http://\(configuration.host):\(configuration.port)", surroundings: surroundings)
        let rooms = Rooms(
            configuration: configuration, queue: queue, blobs: blobs, signer: signer, prometheus: prometheus, surroundings: surroundings)
        self.blobURLs = signer
        let keys = APIKeys(store: queue, surroundings: surroundings)
        self.keys = keys
        func server(_ binding: GatewayServer.Binding, _ doors: Doors, _ limits: GatewayServer.Limits, asksForKeys: Bool) -> GatewayServer {
            GatewayServer(
                binding: binding, router: doors.router(keeper: Doorkeeper(keys: asksForKeys ? keys : nil), surroundings: surroundings),
                limits: limits, acceptance: rooms.acceptance, logger: logger)
        }
        publicServer = server(
            .tcp(host: configuration.host, port: configuration.port), rooms.publicDoors,
            .init(
                idle: configuration.idleTimeout, firstRequest: configuration.firstRequestTimeout,
                connectionsMax: configuration.connectionsMax),
            asksForKeys: configuration.authentication == .required)
        workerServer = server(
            .unix(path: configuration.workerSocketPath), rooms.workerDoors, .init(idle: configuration.idleTimeout), asksForKeys: false)
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
    let signer: BlobURLSigner
    let prometheus: PrometheusMetrics?
    let surroundings: Surroundings
    let acceptance = Acceptance()

    var directory: EndpointDirectory { EndpointDirectory(configuration.endpoints) }
    var callbacks: CallbackGuard {
        CallbackGuard(allowedHosts: configuration.webhooks.allowedHosts, trusted: directory.callbacks, resolver: .system)
    }
    private var intake: BlobIntake { BlobIntake(queue: queue, blobs: blobs, surroundings: surroundings) }
    private var uploadBytesMax: Int64 {
        configuration.uploadBytesMax ?? configuration.endpoints.map(\.limits.bytesMax).max() ?? EndpointLimits().bytesMax
    }

    var publicDoors: Doors {
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
        BlobRoutes(intake: intake, signer: signer, answer: answer, bytesMax: uploadBytesMax).add(to: &doors)
        ScalingRoutes(queue: queue, accounts: accounts, directory: directory, surroundings: surroundings).add(to: &doors)
        let overview = Overview(queue: queue, directory: directory)
        EndpointRoutes(queue: queue, directory: directory, overview: overview).add(to: &doors)
        StatusRoutes(
            queue: queue, overview: overview, version: configuration.version,
            effectiveSettings: configuration.effectiveSettings, prometheus: prometheus, startedAt: surroundings.now(),
            surroundings: surroundings, acceptance: acceptance
        ).add(to: &doors)
        return doors
    }

    var workerDoors: Doors {
        var doors = publicDoors
        WorkerRoutes(
            queue: queue, blobs: blobs, endpoints: directory, known: KnownWorkers(), surroundings: surroundings,
            leaseDuration: configuration.leaseDuration, heartbeat: configuration.heartbeat, waitMax: configuration.waitMax,
            bytesMax: configuration.workerBytesMax
        ).add(to: &doors)
        return doors
    }
}
