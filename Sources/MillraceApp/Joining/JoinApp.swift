import AsyncHTTPClient
import Foundation
import Logging
import MillraceCore
import MillraceLocal
import MillraceProcesses
import MillraceRunnerONNX
import MillraceWire
import ServiceLifecycle
import UnixSignals

/// `millrace worker join`: makes this machine part of a server's fleet.
public struct JoinApp: Sendable {
    /// What the operator of the machine says.
    public struct Terms: Sendable {
        /// `nil`: the host's name and a few letters that are kept in the data directory.
        public var name: String?
        /// How many workers without a GPU; `nil`: one for every two cores, and two at least.
        public var slots: Int?
        /// The endpoints that it will serve; empty: all that the key is for.
        public var endpoints: [String]
        /// The most bytes of models that are kept.
        public var cacheBytesMax: Int64

        public init(name: String?, slots: Int?, endpoints: [String], cacheBytesMax: Int64) {
            self.name = name
            self.slots = slots
            self.endpoints = endpoints
            self.cacheBytesMax = cacheBytesMax
        }
    }

    private let settings: Settings
    private let location: GatewayLocation
    private let key: WorkerKeySource
    private let terms: Terms
    private let environment: [String: String]
    private let surroundings = Surroundings.system

    public init(settings: Settings, location: GatewayLocation, key: WorkerKeySource, terms: Terms, environment: [String: String]) {
        self.settings = settings
        self.location = location
        self.key = key
        self.terms = terms
        self.environment = environment
    }

    /// Until SIGTERM or SIGINT.
    public func run() async throws {
        _ = try key.read()
        let data = try DataDirectory(settings.dataDirectory)
        let lock = try data.lockForAgent()
        defer { withExtendedLifetime(lock) {} }
        data.removeScratchOfDeadJoined()
        let logger = AppLogging.logger("millrace.join", settings)
        let machine = try machineName(data)
        let gpus = GPUSet(count: ModelDevice.gpuCount, visible: environment[GPUSet.variable]).names
        let slots = MachineReport.Slots(cpu: terms.slots ?? max(2, ProcessInfo.processInfo.activeProcessorCount / 2), gpus: gpus)
        logger.info(
            "joining", metadata: ["server": "\(location.url)", "machine": "\(machine)", "slots": "\(slots.cpu)", "gpus": "\(gpus.joined(separator: ","))"])
        let client = try location.makeClient()
        let agent = MachineAgent(
            crew: Crew(
                machine: machine, run: surroundings.makeID(WorkerID.self).description, slots: slots, endpoints: terms.endpoints.isEmpty ? nil : Set(terms.endpoints)),
            gateway: AgentConnection(client: client, base: location.url), key: key, data: data, surroundings: surroundings, logger: logger,
            makeCommand: { command(for: $0, data, hasGPUs: !gpus.isEmpty) })
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: agent, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        let result: Result<Void, any Error>
        do { result = .success(try await group.run()) } catch { result = .failure(error) }
        try await client.shutdown()
        try result.get()
    }

    private func machineName(_ data: DataDirectory) throws -> String {
        if let name = terms.name {
            guard MachineReport.isName(name) else {
                throw MillraceError(.invalidParameter, "\"\(name)\" cannot be a machine's name", hint: "1 to 63 of a-z, 0-9 and -")
            }
            return name
        }
        return try data.secret("machine-name") {
            let plain = ProcessInfo.processInfo.hostName.lowercased().prefix(40).map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
            return "\(String(plain))-\(String(surroundings.random() % 0x100_0000, radix: 36))"
        }
    }

    private func command(for order: MachineOrders.Worker, _ data: DataDirectory, hasGPUs: Bool) -> ChildCommand? {
        var words = [
            RuntimeLocations.executable, "worker", "--endpoint", order.endpoint, "--variant", order.variant, "--instance", order.instance,
            "--gateway", location.url, "--key-from-stdin", "--cache-max", "\(terms.cacheBytesMax)", "--data", data.path,
        ]
        if let caFile = location.caFile { words += ["--ca-file", caFile] }
        if location.isInsecure { words.append("--insecure") }
        if let file = settings.file { words += ["--config", file] }
        var variables = WorkerEnvironment.make(from: environment)
        // Who has no GPU of its own sees none, or it would take somebody else's.
        if hasGPUs { variables[GPUSet.variable] = order.gpu ?? "" }
        return ChildCommand(words, environment: variables, in: FileManager.default.currentDirectoryPath)
    }
}
