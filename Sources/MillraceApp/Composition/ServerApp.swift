import Foundation
import Logging
import Metrics
import MillraceCloud
import MillraceCore
import MillraceGateway
import MillraceLocal
import MillraceQueue
import MillraceQueueSQLite
import MillraceRunnerONNX
import MillraceScaling
import MillraceWorker
import ServiceLifecycle
import UnixSignals

/// `millrace serve`: everything of one machine in one process, but the workers, which are processes of their own.
public struct ServerApp: Sendable {
    private let settings: Settings
    private let environment: [String: String]
    private let surroundings = Surroundings.system
    private let logger: Logger

    public init(settings: Settings, environment: [String: String]) {
        self.settings = settings
        self.environment = environment
        logger = AppLogging.logger("millrace", settings)
    }

    /// Serves until SIGTERM or SIGINT.
    /// - Parameters:
    ///   - standby: whether another server may have the data directory, whose end is waited for.
    ///   - announce: told once clients can connect.
    public func run(standby: Bool = false, announce: @escaping @Sendable (Announcement) -> Void) async throws {
        DescriptorLimit.raise()
        let metrics = PrometheusMetrics()
        MetricsSystem.bootstrap(metrics)
        let data = try DataDirectory(settings.dataDirectory)
        let lock = try await lock(data, standby: standby)
        defer { withExtendedLifetime(lock) {} }
        let store = try SQLiteStore(path: data.database, surroundings: surroundings, logger: logger)
        try await warnOfForgottenJobs(in: store)
        let firstKey = try await FirstStart(store: store, settings: settings, data: data, surroundings: surroundings).run()
        let blobs = try DirectoryBlobStore(root: data.blobs)
        let drains = Dictionary(settings.endpoints.map { ($0.name, $0.scaling.drain) }) { $1 }
        let drainLimit: DrainLimit = { drains[$0] ?? ScalingConfiguration().drain }
        let joined = makeJoinedFleet(store, drainLimit)
        let gateway = try Gateway(
            configuration: try GatewaySettings(settings: settings, data: data, surroundings: surroundings).configuration(),
            queue: JobQueue(store, surroundings: surroundings, metrics: metrics), blobs: blobs, joined: joined, prometheus: metrics,
            surroundings: surroundings, logger: logger)
        let fleet = try makeFleet(data, drainLimit)
        let adoption = WorkerAdoption(store: store, fleet: fleet, data: data, logger: logger)
        try await adoption.run()
        data.removeScratch(except: try await fleet.instances().map(\.id))
        joined.expect(try await store.workers())
        let traces = WorkerTraces(
            adopt: { adoption.adopt($0) }, jobsAtRisk: { data.jobsAtRisk(of: $0).union(joined.takeJobsAtRisk(of: $0)) },
            forget: { data.forgetAtRisk(of: $0) },
            // Where a network lies between, it may be that which is silent; the fleet of joined machines notices when one is gone.
            silenceMax: { $0.hasPrefix(JoinedFleet.prefix) ? JoinedFleet.silenceMax : .zero })
        let announcer = Announcer(gateway: gateway, settings: settings, data: data, firstKey: firstKey, announce: announce)
        let all = CombinedFleet(local: fleet, joined: joined, choices: Dictionary(settings.endpoints.map { ($0.name, $0.fleet) }) { $1 })
        let controller = ScalingController(
            store: store, fleet: all, endpoints: settings.endpoints, lease: settings.lease, traces: traces, surroundings: surroundings, logger: logger)
        joined.onRoom { controller.roomWasMade() }
        warnOfPlainText()
        // Stopped in reverse: first the workers drain, while the gateway still takes their last words.
        try await run((gateway.tls.map { [$0] } ?? []) + [
            gateway.publicServer, gateway.workerServer, gateway.deliveries, rescue(store), retention(store, blobs), controller.accounting, fleet,
            controller, announcer,
        ])
    }

    private func lock(_ data: DataDirectory, standby: Bool) async throws -> FileLock {
        guard standby else { return try data.lockForServer() }
        if let lock = try data.lockForServerIfFree() { return lock }
        logger.notice("another server has the data directory; this one takes over when that ends", metadata: ["data": "\(data.path)"])
        while true {
            try await surroundings.sleep(.milliseconds(200))
            guard let lock = try data.lockForServerIfFree() else { continue }
            logger.notice("the other server has ended; this one takes over")
            return lock
        }
    }

    private func warnOfPlainText() {
        guard settings.tls == nil, !settings.isLoopback else { return }
        logger.warning(
            "keys, inputs and results travel unencrypted to and from \(settings.host); set tls, or put a proxy with TLS in front and listen on 127.0.0.1")
    }

    /// Jobs of an endpoint that the settings no longer have wait for it; nobody should have to guess why.
    private func warnOfForgottenJobs(in store: any Store) async throws {
        let known = Set(settings.endpoints.map(\.name))
        for waiting in try await store.backlog() where !known.contains(waiting.endpoint) {
            logger.warning(
                "jobs wait for an endpoint that is not in the settings; they run when it is there again",
                metadata: ["endpoint": "\(waiting.endpoint)", "jobs": "\(waiting.ready + waiting.scheduled + waiting.running)"])
        }
    }

    private func run(_ services: [any Service]) async throws {
        let group = ServiceGroup(
            configuration: .init(
                // Whatever fails, the workers are asked to drain, not killed.
                services: services.map { .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    /// How long a worker of an endpoint may take to stop.
    private typealias DrainLimit = @Sendable (_ endpoint: String) -> Duration

    private func makeFleet(_ data: DataDirectory, _ drainLimit: @escaping DrainLimit) throws -> LocalFleet {
        let onCPU = Set(settings.endpoints.filter { $0.device == .cpu }.map(\.name))
        let (executable, settings, socket) = (RuntimeLocations.executable, settings, data.socket)
        return try LocalFleet(
            logFolder: data.workerLogs, environment: WorkerEnvironment.make(from: environment),
            drainLimit: drainLimit, surroundings: surroundings, logger: logger,
            slots: WorkerSlots(
                gpus: GPUSet(count: ModelDevice.gpuCount, visible: environment[GPUSet.variable]), cpuSlots: settings.fleet.slots,
                workersPerGPU: settings.fleet.workersPerGPU),
            usesGPU: { !onCPU.contains($0) },
            cleanUp: { data.removeScratch(of: $0) }
        ) { endpoint, variant, instance in
            var arguments = [
                "worker", "--endpoint", endpoint, "--variant", variant, "--instance", instance, "--socket", socket, "--data", data.path,
            ]
            if let file = settings.file { arguments += ["--config", file] }
            return (executable, arguments)
        }
    }

    private func makeJoinedFleet(_ store: any Store, _ drainLimit: @escaping DrainLimit) -> JoinedFleet {
        let devices = Dictionary(settings.endpoints.map { ($0.name, $0.device) }) { $1 }
        return JoinedFleet(device: { devices[$0] ?? .auto }, drainLimit: drainLimit, registry: store, surroundings: surroundings)
    }

    private func rescue(_ store: any Store) -> RescueService {
        RescueService(store, lease: settings.lease, surroundings: surroundings, logger: logger)
    }

    private func retention(_ store: any Store, _ blobs: any BlobStore) -> RetentionService {
        let endpoints = settings.endpoints.map { EndpointRetention(endpoint: $0.name, age: $0.retention, jobsMax: $0.retentionMax) }
        return RetentionService(
            store, endpoints: { endpoints }, surroundings: surroundings, logger: logger, deleteBlob: { try await blobs.delete($0) })
    }
}
