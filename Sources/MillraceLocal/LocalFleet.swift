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
        /// Set when this fleet asked it to stop.
        var stopping = false
        /// Started by an earlier server, so not a child of this one.
        var adopted = false
    }

    private let commandLine: CommandLine
    private let logFolder: String
    private let drainLimit: Duration
    private let surroundings: Surroundings
    private let logger: Logger
    private let state = Mutex<[InstanceID: Instance]>([:])
    private let starts = AsyncStream<FleetInstance>.makeStream()
    private let ended = AsyncStream<FleetInterruption>.makeStream(bufferingPolicy: .bufferingNewest(1024))

    public init(
        logFolder: String, drainLimit: Duration, surroundings: Surroundings, logger: Logger, commandLine: @escaping CommandLine
    ) throws {
        self.logFolder = logFolder
        self.drainLimit = drainLimit
        self.surroundings = surroundings
        self.logger = logger
        self.commandLine = commandLine
        try FileManager.default.createDirectory(
            atPath: logFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    public func reconcile(_ target: FleetTarget) async throws {
        let (missing, leaving) = state.withLock { instances in
            let mine = instances.values.filter { $0.info.endpoint == target.endpoint && $0.info.variant == target.variant }
            let staying = mine.count { !$0.stopping && !target.retire.contains($0.info.id) }
            let leaving = mine.filter { target.retire.contains($0.info.id) && !$0.stopping }
            for instance in leaving { instances[instance.info.id]?.stopping = true }
            let missing = (0..<max(0, target.desired - staying)).map { _ in
                FleetInstance(
                    id: "local:\(surroundings.makeID(WorkerKind.self))", endpoint: target.endpoint, variant: target.variant,
                    phase: .starting, startedAt: surroundings.now())
            }
            for info in missing { instances[info.id] = Instance(info: info) }
            return (missing, leaving)
        }
        for info in missing { starts.continuation.yield(info) }
        for instance in leaving { terminate(instance) }
    }

    public func instances() async throws -> [FleetInstance] {
        state.withLock { $0.values.map(\.info).sorted { $0.id < $1.id } }
    }

    public func interruptions() -> AsyncStream<FleetInterruption> { ended.stream }

    /// Takes over a worker that an earlier server started.
    /// - Returns: false when that process is gone.
    public func adopt(_ info: FleetInstance, process: pid_t) -> Bool {
        guard Self.isRunning(process, as: info.id) else { return false }
        state.withLock { $0[info.id] = Instance(info: info, process: process, adopted: true) }
        return true
    }

    public func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await self.watchAdopted() }
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
            for id in instances.keys { instances[id]?.stopping = true }
            return Array(instances.values)
        }
        for instance in all { terminate(instance) }
        let deadline = surroundings.now() + drainLimit
        while surroundings.now() < deadline, state.withLock({ !$0.isEmpty }) {
            try await surroundings.sleep(.milliseconds(50))
        }
    }

    private func terminate(_ instance: Instance) {
        guard let process = instance.process else { return }
        kill(process, SIGTERM)
    }

    private func supervise(_ info: FleetInstance) async {
        let log = "\(logFolder)/\(info.endpoint)-\(info.id.dropFirst("local:".count)).log"
        let status: String
        do {
            status = try await runProcess(info, log: log)
        } catch {
            status = "could not be started: \(error)"
        }
        end(info.id, status: status, stderrTail: Self.tail(of: log))
    }

    private func runProcess(_ info: FleetInstance, log: String) async throws -> String {
        let command = commandLine(info.endpoint, info.variant, info.id)
        let descriptor = try FileDescriptor.open(
            FilePath(log), .writeOnly, options: [.create, .append], permissions: [.ownerReadWrite])
        defer { try? descriptor.close() }
        var options = PlatformOptions()
        options.createSession = true
        let result = try await Subprocess.run(
            .path(FilePath(command.executable)), arguments: Arguments(command.arguments), platformOptions: options,
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

    /// An adopted process is not our child: all that can be seen is that it is there.
    private func watchAdopted() async {
        while (try? await surroundings.sleep(.seconds(1))) != nil {
            let gone = state.withLock { instances in
                instances.values.filter { $0.adopted && $0.process.map { !Self.isRunning($0, as: nil) } ?? false }
            }
            for instance in gone { end(instance.info.id, status: "gone", stderrTail: "") }
        }
    }

    private func end(_ id: InstanceID, status: String, stderrTail: String) {
        guard let instance = state.withLock({ $0.removeValue(forKey: id) }) else { return }
        logger.info("worker ended", metadata: ["worker.instance": "\(id)", "worker.status": "\(status)"])
        ended.continuation.yield(
            FleetInterruption(
                instance: id, endpoint: instance.info.endpoint, variant: instance.info.variant,
                reason: .ended(status: status, expected: instance.stopping || status == "exit 0", stderrTail: stderrTail)))
    }

    /// Whether a process lives and, when a name is given, was started under it: a process id alone may belong to another by now.
    private static func isRunning(_ process: pid_t, as instance: InstanceID?) -> Bool {
        guard kill(process, 0) == 0 || errno == EPERM else { return false }
        guard let instance else { return true }
        guard let data = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return false }
        return String(decoding: data, as: UTF8.self).contains(instance)
    }

    /// The last 4 KiB of a worker's log.
    private static func tail(of path: String) -> String {
        guard let handle = FileHandle(forReadingAtPath: path) else { return "" }
        defer { try? handle.close() }
        let size = (try? handle.seekToEnd()) ?? 0
        try? handle.seek(toOffset: size > 4096 ? size - 4096 : 0)
        return String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
    }
}
