import AsyncHTTPClient
import Foundation
import Logging
import MillraceCore
import MillraceEventLoops
import MillraceInference
import MillraceWire
import NIOCore
import ServiceLifecycle

/// One process that serves one endpoint variant: it registers, loads the model, leases jobs, runs them and reports.
public struct Worker: Service {
    /// Who this worker is and where its gateway is.
    public struct Identity: Sendable {
        public var endpoint: String
        public var variant: String
        public var instance: String
        public var gateway: Gateway
        /// A folder for the files of running jobs; emptied at the start.
        public var scratchFolder: String
        /// Where ``AtRiskFile`` lies.
        public var atRiskFile: String

        public init(endpoint: String, variant: String, instance: String, gateway: Gateway, scratchFolder: String, atRiskFile: String) {
            self.endpoint = endpoint
            self.variant = variant
            self.instance = instance
            self.gateway = gateway
            self.scratchFolder = scratchFolder
            self.atRiskFile = atRiskFile
        }
    }
    /// How a worker reaches its gateway, and with it blobs and models.
    public enum Gateway: Sendable {
        /// On the same machine; blobs and models are files here.
        case socket(String)
        /// Anywhere, with a worker's key; the address has no slash at its end. Blobs come and go by signed URL, models are fetched and kept in `models`.
        case remote(url: String, key: String, models: ModelStorage)
    }
    /// Where fetched models are kept, and how many bytes of them.
    public struct ModelStorage: Sendable {
        public var folder: String
        public var bytesMax: Int64

        public init(folder: String, bytesMax: Int64) {
            self.folder = folder
            self.bytesMax = bytesMax
        }
    }
    /// What runs an endpoint's model, made by the app, which alone knows the runners.
    public struct Engine: Sendable {
        public var runner: any ModelRunner
        public var pipeline: any InferencePipeline
        public init(runner: any ModelRunner, pipeline: any InferencePipeline) {
            self.runner = runner
            self.pipeline = pipeline
        }
    }

    private let identity: Identity
    private let makeEngine: @Sendable (EndpointConfiguration) throws -> Engine
    private let client: HTTPClient
    private let surroundings: Surroundings
    private let logger: Logger

    public init(
        identity: Identity, client: HTTPClient, surroundings: Surroundings, logger: Logger,
        makeEngine: @escaping @Sendable (EndpointConfiguration) throws -> Engine
    ) {
        self.identity = identity
        self.makeEngine = makeEngine
        self.client = client
        self.surroundings = surroundings
        self.logger = logger
    }

    public func run() async throws {
        let startedAt = surroundings.now() - ProcessAge.current()
        let gateway = GatewayConnection(identity.gateway.address, client: client, surroundings: surroundings, logger: logger)
        let registration = RegisterRequest(
            worker: surroundings.makeID(), endpoint: identity.endpoint, variant: identity.variant, instance: identity.instance,
            host: ProcessInfo.processInfo.hostName, processID: Int(ProcessInfo.processInfo.processIdentifier), startedAt: startedAt,
            sentAt: surroundings.now())
        let welcome: RegisterResponse = try await gateway.call("/v1/worker/register", registration, patience: .seconds(30))
        let registeredAt = surroundings.now()
        let gatewayAhead = Self.ahead(welcome.now, of: registeredAt)
        try prepareScratch()
        let loaded: Loaded
        do {
            loaded = try await load(welcome, gateway, registration.worker)
        } catch {
            await goodbye(gateway, registration.worker)
            // Told to stop while it loaded: that is no failure.
            if error is CancellationError { return }
            throw error
        }
        let engine = loaded.engine
        // Nobody takes the model's files away while it is used.
        defer { withExtendedLifetime(loaded.model) {} }
        let loadedAt = surroundings.now()
        for remark in engine.runner.remarks { logger.warning("\(remark)") }
        // Unstructured: jobs are taken meanwhile, and whoever needs it waits for it.
        Task { await engine.pipeline.prepare() }
        let session = WorkerSession(
            registration: registration, welcome: welcome, engine: engine, gateway: gateway, transfer: BlobTransfer(remote: remoteBlobs),
            patienceIdle: identity.gateway.patienceIdle, control: EventLoopExecutor(client.eventLoopGroup.next()), scratchFolder: identity.scratchFolder,
            start: ColdStart.Marks(
                startedAt: startedAt, registeredAt: registeredAt, fetchedAt: loaded.fetchedAt, loadedAt: loadedAt, readyAt: surroundings.now()
            ).shifted(by: gatewayAhead),
            marks: engine.pipeline.decodes ? makeMarks(welcome.configuration) : nil, surroundings: surroundings, logger: logger)
        logger.info(
            "ready", metadata: ["endpoint": "\(identity.endpoint)", "start.seconds": "\(surroundings.now().since(startedAt).seconds)"])
        let result: Result<Void, any Error>
        do { result = .success(try await session.run()) } catch { result = .failure(error) }
        await engine.runner.close()
        await goodbye(gateway, registration.worker)
        try? FileManager.default.removeItem(atPath: identity.scratchFolder)
        try? FileManager.default.removeItem(atPath: identity.atRiskFile)
        try result.get()
    }

    /// By how much the gateway's clock is ahead of this machine's. What is less than a second may be the way of its answer.
    static func ahead(_ gateway: Timestamp?, of now: Timestamp) -> Duration {
        guard let offset = gateway?.since(now), offset <= .seconds(-1) || offset >= .seconds(1) else { return .zero }
        return offset
    }

    private var remoteBlobs: RemoteBlobs {
        var base = ""
        if case .remote(let url, _, _) = identity.gateway { base = url }
        return RemoteBlobs(client: client, base: base, repetition: repetition)
    }

    private var repetition: Repetition { Repetition(patience: WorkerSession.patienceBusy, surroundings: surroundings, logger: logger) }

    /// The model's folder on this machine, fetched if its gateway is elsewhere.
    private func borrow(_ version: String) async throws -> ModelLoan? {
        guard case .remote(let url, let key, let storage) = identity.gateway else { return nil }
        let cache = ModelCache(folder: storage.folder, bytesMax: storage.bytesMax, surroundings: surroundings, logger: logger)
        return try await ModelFetch(client: client, base: url, key: key, repetition: repetition).borrow(version, from: cache)
    }

    private struct Loaded: Sendable {
        var engine: Engine
        /// `nil` where the model lies on this machine anyway.
        var model: ModelLoan?
        var fetchedAt: Timestamp
    }

    /// Fetches and loads the model, which may take minutes, while heartbeats say that the worker lives. A stop ends the loading.
    private func load(_ welcome: RegisterResponse, _ gateway: GatewayConnection, _ worker: WorkerID) async throws -> Loaded {
        let heartbeat = Duration.milliseconds(Int64(welcome.heartbeatSeconds * 1000))
        return try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Loaded?.self) { group in
                group.addTask {
                    var configuration = welcome.configuration
                    let model = try await borrow(configuration.modelVersion)
                    if let model { configuration.modelDirectory = model.path }
                    let fetchedAt = surroundings.now()
                    let engine = try makeEngine(configuration)
                    do {
                        try await engine.runner.load()
                    } catch let error as CancellationError {
                        await engine.runner.close()
                        throw error
                    }
                    return Loaded(engine: engine, model: model, fetchedAt: fetchedAt)
                }
                group.addTask {
                    while true {
                        try await surroundings.sleep(heartbeat * 2)
                        let _: HeartbeatResponse? = try? await gateway.call(
                            "/v1/worker/heartbeat", HeartbeatRequest(worker: worker, readyAt: nil, items: []), patience: .zero)
                    }
                }
                defer { group.cancelAll() }
                guard let loaded = try await group.next() ?? nil else { throw CancellationError() }
                return loaded
            }
        }
    }

    /// Without them a crash counts against all jobs that are held, which is no reason not to work.
    private func makeMarks(_ endpoint: EndpointConfiguration) -> AtRiskFile? {
        do {
            // As many jobs as are held, and attempts that lost their lease and have not ended yet.
            return try AtRiskFile(path: identity.atRiskFile, jobsMax: 4 * max(1, endpoint.batching.itemsMax) + 64)
        } catch {
            logger.warning("a crash would be counted against all jobs held", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private func prepareScratch() throws {
        try? FileManager.default.removeItem(atPath: identity.scratchFolder)
        try FileManager.default.createDirectory(
            atPath: identity.scratchFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private func goodbye(_ gateway: GatewayConnection, _ worker: WorkerID) async {
        do {
            let _: EmptyResponse = try await gateway.call(
                "/v1/worker/deregister", DeregisterRequest(worker: worker), timeout: .seconds(2), patience: .seconds(1))
        } catch {
            logger.debug("could not say goodbye; the gateway will notice", metadata: ["error": "\(error)"])
        }
    }
}

extension Worker.Gateway {
    var address: GatewayConnection.Address {
        switch self {
        case .socket(let path): .unixSocket(path)
        case .remote(let url, let key, _): .url(url, key: key)
        }
    }

    /// How long an idle worker looks for its gateway before it ends itself, so that none is left behind for ever. On another machine
    /// there is somebody who ends it, and a network that may be away for a while.
    var patienceIdle: Duration {
        switch self {
        case .socket: .seconds(30)
        case .remote: WorkerSession.patienceBusy
        }
    }
}
