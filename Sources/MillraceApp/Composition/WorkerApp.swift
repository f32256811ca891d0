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
    /// A gateway on another machine.
    public struct Remote: Sendable {
        public var location: GatewayLocation
        /// `nil`: on standard input, whose end is the wish that the worker stops.
        public var key: WorkerKeySource?
        /// The most bytes of models that are kept.
        public var cacheBytesMax: Int64

        public init(location: GatewayLocation, key: WorkerKeySource?, cacheBytesMax: Int64) {
            self.location = location
            self.key = key
            self.cacheBytesMax = cacheBytesMax
        }
    }

    private let remote: Remote?
    private let identity: Worker.Identity
    private let environment: [String: String]
    /// On a joined machine the agent may be gone before its workers.
    private let life: FileLock?

    /// - Parameter socketPath: of the gateway on this machine; `nil`: in the data directory.
    public init(
        settings: Settings, endpoint: String, variant: String, instance: String, socketPath: String?, remote: Remote? = nil,
        environment: [String: String]
    ) throws {
        let data = try DataDirectory(settings.dataDirectory)
        self.settings = settings
        self.environment = environment
        self.remote = remote
        life = try remote.map { _ in try data.holdLife(of: instance) }
        var gateway = Worker.Gateway.socket(socketPath ?? data.socket)
        if let remote {
            let key = try remote.key?.read() ?? Self.keyFromTether()
            gateway = .remote(
                url: remote.location.url, key: key, models: .init(folder: data.path + "/models", bytesMax: remote.cacheBytesMax))
        }
        identity = Worker.Identity(
            endpoint: endpoint, variant: variant, instance: instance, gateway: gateway,
            scratchFolder: data.scratch(of: instance), atRiskFile: data.atRisk(of: instance))
    }

    private static func keyFromTether() throws -> String {
        guard let line = Tether.readKey() else {
            throw MillraceError(.invalidParameter, "a worker key is needed", hint: "--key-file FILE, or one line on standard input with --key-from-stdin")
        }
        return try WorkerKeySource.text(line).read()
    }

    public func run() async throws {
        FreedMemory.keep()
        defer { withExtendedLifetime(life) {} }
        if let remote, remote.key == nil { Tether.stopAtEnd() }
        let logger = AppLogging.logger("millrace.worker", settings)
        let locations = RuntimeLocations(settings, searchPath: environment["PATH"] ?? "")
        loadLibraries(locations)
        let engines = EngineFactory(
            locations: locations, threads: settings.threads,
            environment: environment, scratchFolder: identity.scratchFolder, logger: logger)
        // One loop: a worker's calls are few, and follow each other.
        let client = try remote?.location.makeClient() ?? HTTPClient(eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton.next()))
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
