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
        public var socketPath: String
        /// A folder for the files of running jobs; emptied at the start.
        public var scratchFolder: String
        /// Where ``AtRiskFile`` lies.
        public var atRiskFile: String

        public init(endpoint: String, variant: String, instance: String, socketPath: String, scratchFolder: String, atRiskFile: String) {
            self.endpoint = endpoint
            self.variant = variant
            self.instance = instance
            self.socketPath = socketPath
            self.scratchFolder = scratchFolder
            self.atRiskFile = atRiskFile
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
        let gateway = GatewayConnection(.unixSocket(identity.socketPath), client: client, surroundings: surroundings, logger: logger)
        let registration = RegisterRequest(
            worker: surroundings.makeID(), endpoint: identity.endpoint, variant: identity.variant, instance: identity.instance,
            host: ProcessInfo.processInfo.hostName, processID: Int(ProcessInfo.processInfo.processIdentifier), startedAt: startedAt)
        let welcome: RegisterResponse = try await gateway.call("/v1/worker/register", registration, patience: .seconds(30))
        let registeredAt = surroundings.now()
        try prepareScratch()
        let engine = try makeEngine(welcome.configuration)
        do {
            try await load(engine, gateway, registration.worker, heartbeat: .milliseconds(Int64(welcome.heartbeatSeconds * 1000)))
        } catch {
            await goodbye(gateway, registration.worker)
            // Told to stop while it loaded: that is no failure.
            if error is CancellationError { return await engine.runner.close() }
            throw error
        }
        let loadedAt = surroundings.now()
        for remark in engine.runner.remarks { logger.warning("\(remark)") }
        // Unstructured: jobs are taken meanwhile, and whoever needs it waits for it.
        Task { await engine.pipeline.prepare() }
        let session = WorkerSession(
            registration: registration, welcome: welcome, engine: engine, gateway: gateway, transfer: BlobTransfer(client: client),
            control: EventLoopExecutor(client.eventLoopGroup.next()), scratchFolder: identity.scratchFolder,
            start: ColdStart.Marks(
                startedAt: startedAt, registeredAt: registeredAt, fetchedAt: registeredAt, loadedAt: loadedAt, readyAt: surroundings.now()),
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

    /// Loads the model, which may take minutes, while heartbeats say that the worker lives. A stop ends the loading.
    private func load(_ engine: Engine, _ gateway: GatewayConnection, _ worker: WorkerID, heartbeat: Duration) async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await engine.runner.load() }
                group.addTask {
                    while true {
                        try await surroundings.sleep(heartbeat * 2)
                        let _: HeartbeatResponse? = try? await gateway.call(
                            "/v1/worker/heartbeat", HeartbeatRequest(worker: worker, readyAt: nil, items: []), patience: .zero)
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
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
