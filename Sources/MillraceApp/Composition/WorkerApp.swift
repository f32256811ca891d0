import AsyncHTTPClient
import Foundation
import Logging
import MillraceCore
import MillraceRunnerONNX
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
            scratchFolder: data.scratch(of: instance), atRiskFile: data.atRisk(of: instance))
    }

    public func run() async throws {
        FreedMemory.keep()
        let logger = AppLogging.logger("millrace.worker", settings)
        let locations = RuntimeLocations(settings, searchPath: environment["PATH"] ?? "")
        loadLibraries(locations)
        let engines = EngineFactory(
            locations: locations, threads: settings.threads,
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

    /// Loads what the endpoint will most likely need while the gateway is asked what it is, 20 ms of a cold start. What is wrong with
    /// it is told when it is really needed.
    private func loadLibraries(_ locations: RuntimeLocations) {
        guard settings.endpoints.contains(where: { $0.name == identity.endpoint && $0.manifest.runner == .onnx }) else { return }
        Thread.detachNewThread {
            _ = try? ONNXRuntimeLibrary.open(ONNXRuntimeLibrary.locate(candidates: locations.onnxRuntimeCandidates))
        }
    }
}
