import AsyncHTTPClient
import Logging
import MillraceCore
import MillraceWorker
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// `millrace worker`: one process that serves one endpoint variant, started by a fleet or by hand.
public struct WorkerApp: Sendable {
    private let settings: Settings
    private let identity: Worker.Identity
    private let environment: [String: String]

    public init(settings: Settings, endpoint: String, variant: String, instance: String, socketPath: String?, environment: [String: String]) throws {
        let data = try DataDirectory(settings.dataDirectory)
        self.settings = settings
        self.environment = environment
        identity = Worker.Identity(
            endpoint: endpoint, variant: variant, instance: instance, socketPath: socketPath ?? data.socket,
            scratchFolder: data.scratch(of: instance))
    }

    public func run() async throws {
        let logger = AppLogging.logger("millrace.worker", settings)
        let engines = EngineFactory(
            locations: RuntimeLocations(settings, searchPath: environment["PATH"] ?? ""), threads: settings.threads,
            environment: environment, scratchFolder: identity.scratchFolder, logger: logger)
        // One loop: a worker's calls are few, and follow each other.
        let client = HTTPClient(eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton.next()))
        let worker = Worker(identity: identity, client: client, surroundings: .system, logger: logger) { try engines.make($0) }
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        let result: Result<Void, any Error>
        do { result = .success(try await group.run()) } catch { result = .failure(error) }
        try await client.shutdown()
        try result.get()
    }
}
