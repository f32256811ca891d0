import Foundation
import Logging
import MillraceCloud
import MillraceCore
import ServiceLifecycle
import Subprocess
import Synchronization
import SystemPackage

/// Workers as processes of this machine.
///
/// Each worker is a session of its own with its output in a log file, so it outlives a server that is killed; the next
/// server ``adopt(_:)``s it. On a graceful stop the fleet asks its workers to drain and waits for them.
public final class LocalFleet: Fleet, Service {
    /// Starts one worker: the executable and its arguments for an endpoint variant and an instance name.
    public typealias CommandLine = @Sendable (_ endpoint: String, _ variant: String, _ instance: InstanceID) -> (executable: String, arguments: [String])

    struct Instance {
        var info: FleetInstance
        /// `nil` until the process runs.
        var process: pid_t?
        /// When this fleet asked it to stop.
        var stoppedAt: Timestamp?
        var stopping: Bool { stoppedAt != nil }
        /// Started by an earlier server, so not a child of this one.
        var adopted = false
        /// The one GPU that it sees; `nil`: what the server sees.
        var gpu: String?
    }

    private let commandLine: CommandLine
    private let environment: [String: String]
    private let slots: WorkerSlots
    private let usesGPU: @Sendable (_ endpoint: String) -> Bool
    private let logFolder: String
    private let drainLimit: @Sendable (_ endpoint: String) -> Duration
    private let cleanUp: @Sendable (InstanceID) -> Void
    private let surroundings: Surroundings
    private let logger: Logger
    private let state = Mutex<[InstanceID: Instance]>([:])
    private let starts = AsyncStream<FleetInstance>.makeStream()
    private let ended = AsyncStream<FleetInterruption>.makeStream(bufferingPolicy: .bufferingNewest(1024))

    /// - Parameters:
    ///   - slots: how many workers there is room for. Each worker of an endpoint that may use a GPU is shown one of them alone.
    ///   - drainLimit: how long a worker of an endpoint may take to stop before it is killed.
    ///   - cleanUp: removes what a worker may have left behind; called when its process is gone.
    public init(
        logFolder: String, environment: [String: String], drainLimit: @escaping @Sendable (_ endpoint: String) -> Duration,
        surroundings: Surroundings, logger: Logger, slots: WorkerSlots = WorkerSlots(),
        usesGPU: @escaping @Sendable (_ endpoint: String) -> Bool = { _ in true },
        cleanUp: @escaping @Sendable (InstanceID) -> Void = { _ in }, commandLine: @escaping CommandLine
    ) throws {
        self.logFolder = logFolder
        self.environment = environment
        self.slots = slots
        self.usesGPU = usesGPU
        self.drainLimit = drainLimit
        self.cleanUp = cleanUp
        self.surroundings = surroundings
        self.logger = logger
        self.commandLine = commandLine
        try FileManager.default.createDirectory(
            atPath: logFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    public func reconcile(_ target: FleetTarget) async throws {
        let (missing, leaving, problem) = state.withLock { instances in
            let mine = instances.values.filter { $0.info.endpoint == target.endpoint && $0.info.variant == target.variant }
            let staying = mine.count { !$0.stopping && !target.retire.contains($0.info.id) }
            let leaving = mine.filter { target.retire.contains($0.info.id) && !$0.stopping }
            for instance in leaving { instances[instance.info.id]?.stoppedAt = surroundings.now() }
            var missing: [FleetInstance] = []
            for _ in 0..<max(0, target.desired - staying) {
                switch slots.next(usesGPU: usesGPU(target.endpoint), taken: instances.values.map(\.gpu)) {
                case .failure(let problem): return (missing, leaving, FleetProblem?.some(problem))
                case .success(let gpu):
                    let info = FleetInstance(
                        id: "local:\(surroundings.makeID(WorkerKind.self))", endpoint: target.endpoint, variant: target.variant,
                        phase: .starting, startedAt: surroundings.now())
                    instances[info.id] = Instance(info: info, gpu: gpu)
                    missing.append(info)
                }
            }
            return (missing, leaving, nil)
        }
        for info in missing { starts.continuation.yield(info) }
        for instance in leaving { terminate(instance) }
        if let problem { throw problem }
    }

    public func instances() async throws -> [FleetInstance] {
        state.withLock { $0.values.map(\.info).sorted { $0.id < $1.id } }
    }

    public func interruptions() -> AsyncStream<FleetInterruption> { ended.stream }

    /// Takes over a worker that an earlier server started.
    /// - Returns: false when that process is gone.
    public func adopt(_ info: FleetInstance, process: pid_t) -> Bool {
        guard Self.isRunning(process, as: info.id) else { return false }
        let gpu = FileManager.default.contents(atPath: "/proc/\(process)/environ").flatMap { slots.gpus.pin(inEnvironment: $0) }
        state.withLock { $0[info.id] = Instance(info: info, process: process, adopted: true, gpu: usesGPU(info.endpoint) ? gpu : nil) }
        return true
    }

    public func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await self.watch() }
            // A stop must not cut the workers off: the stream of starts ends, and the group waits for the processes.
            await withGracefulShutdownHandler {
                for await info in starts.stream {
                    group.addTask { await self.supervise(info) }
                }
            } onGracefulShutdown: {
                self.starts.continuation.finish()
            }
            try await drainAll()
            group.cancelAll()
        }
    }
}

extension LocalFleet {
    private func drainAll() async throws {
        let all = state.withLock { instances in
            for id in instances.keys where instances[id]?.stopping == false { instances[id]?.stoppedAt = surroundings.now() }
            return Array(instances.values)
        }
        for instance in all { terminate(instance) }
        // The watch kills what is over its limit; the moments beyond are for the kill itself.
        let deadline = surroundings.now() + (all.map { drainLimit($0.info.endpoint) }.max() ?? .zero) + .seconds(5)
        while surroundings.now() < deadline, state.withLock({ !$0.isEmpty }) {
            try await surroundings.sleep(.milliseconds(50))
        }
    }

    private func terminate(_ instance: Instance) {
        guard let process = instance.process else { return }
        kill(process, SIGTERM)
    }

    private func supervise(_ info: FleetInstance) async {
        let log = WorkerLogs.path(in: logFolder, of: info)
        let status: String
        do {
            status = try await runProcess(info, log: log)
        } catch {
            status = "could not be started: \(error)"
        }
        end(info.id, status: status, stderrTail: WorkerLogs.tail(of: log))
    }

    private func runProcess(_ info: FleetInstance, log: String) async throws -> String {
        let command = commandLine(info.endpoint, info.variant, info.id)
        var environment = environment
        if let gpu = state.withLock({ $0[info.id]?.gpu }) {
            environment[GPUSet.variable] = gpu
            logger.info("a worker has a GPU", metadata: ["worker.instance": "\(info.id)", "worker.gpu": "\(gpu)"])
        }
        let descriptor = try FileDescriptor.open(
            FilePath(log), .writeOnly, options: [.create, .append], permissions: [.ownerReadWrite])
        defer { try? descriptor.close() }
        var options = PlatformOptions()
        options.createSession = true
        let result = try await Subprocess.run(
            .path(FilePath(command.executable)), arguments: Arguments(command.arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
            platformOptions: options,
            input: .none, output: .fileDescriptor(descriptor, closeAfterSpawningProcess: false),
            error: .fileDescriptor(descriptor, closeAfterSpawningProcess: false)
        ) { execution in
            let process = execution.processIdentifier.value
            let stopAtOnce = self.state.withLock { instances in
                instances[info.id]?.process = process
                instances[info.id]?.info.phase = .running
                return instances[info.id]?.stopping ?? true
            }
            if stopAtOnce { kill(process, SIGTERM) }
        }
        return switch result.terminationStatus {
        case .exited(let code): "exit \(code)"
        case .signaled(let signal): "signal \(signal)"
        }
    }

    /// Looks after what nobody tells: adopted processes, which are not our children, and those that do not stop when asked to.
    private func watch() async {
        while (try? await surroundings.sleep(.seconds(1))) != nil {
            let all = state.withLock { Array($0.values) }
            for instance in all where instance.adopted && instance.process.map({ !Self.isRunning($0, as: instance.info.id) }) ?? false {
                end(instance.info.id, status: "gone", stderrTail: "")
            }
            let now = surroundings.now()
            for instance in all where instance.stoppedAt.map({ now.since($0) > drainLimit(instance.info.endpoint) }) ?? false {
                guard let process = instance.process else { continue }
                logger.warning("killing a worker that did not stop", metadata: ["worker.instance": "\(instance.info.id)"])
                kill(process, SIGKILL)
            }
        }
    }

    private func end(_ id: InstanceID, status: String, stderrTail: String) {
        guard let instance = state.withLock({ $0.removeValue(forKey: id) }) else { return }
        // At once: whoever looks sees that it is gone, and must hear why.
        ended.continuation.yield(
            FleetInterruption(
                instance: id, endpoint: instance.info.endpoint, variant: instance.info.variant,
                reason: .ended(
                    // How one that an earlier server started has ended is not known.
                    status: status, expected: status == "exit 0" || instance.stopping && (instance.adopted || status.hasPrefix("signal")),
                    stderrTail: stderrTail)))
        logger.info("worker ended", metadata: ["worker.instance": "\(id)", "worker.status": "\(status)"])
        cleanUp(id)
        WorkerLogs.prune(in: logFolder, endpoint: instance.info.endpoint)
    }

    /// Whether a process lives and was started under this name: its id alone may belong to another by now, or to a zombie.
    private static func isRunning(_ process: pid_t, as instance: InstanceID) -> Bool {
        guard let data = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return false }
        return String(decoding: data, as: UTF8.self).contains(instance)
    }
}
