import Foundation
import Logging
import MillraceCore
import MillraceInference
import MillraceProcesses
import Synchronization

@testable import MillraceRunnerHTTP

/// A runner over the peer in `Peers/`, started by it or by the test, with a directory of its own that goes with it.
final class ServerFixture: Sendable {
    static let peers = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Peers").path

    let directory: String
    let runner: HTTPModelRunner
    let logs = RecordedLogs()

    /// - Parameter place: `nil`: the runner starts the peer.
    init(
        _ command: [String] = ["python3", "server.py", "{port}"], place: HTTPRunnerConfiguration.Place? = nil,
        speaking dialect: ServerDialect = .invocations, change: (inout HTTPRunnerConfiguration) -> Void = { _ in }
    ) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "mh-\(UInt32.random(in: 0...UInt32.max))").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        var configuration = HTTPRunnerConfiguration(
            place ?? .started(.init(command: command, environment: Self.environment, folder: Self.peers)), speaking: dialect, itemsMax: 4)
        configuration.limits.restartBackoffBase = .milliseconds(1)
        change(&configuration)
        let logs = logs
        runner = HTTPModelRunner(configuration, logger: Logger(label: "server") { _ in RecordingLog(logs) })
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static var environment: [String: String] {
        var environment = ChildCommand.cleanEnvironment(from: ProcessInfo.processInfo.environment)
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return environment
    }

    func item(
        _ id: ItemID, _ input: JSONValue?, files: [HandlerRequest.File] = [], parameters: [String: JSONValue] = [:]
    ) throws -> InferenceItem {
        let workdir = "\(directory)/\(id)"
        try FileManager.default.createDirectory(atPath: workdir, withIntermediateDirectories: true)
        return InferenceItem(
            id: id,
            payload: .request(
                HandlerRequest(
                    job: JobID(high: 1, low: UInt64(id)), endpoint: "test", attempt: 2, parameters: parameters, input: input,
                    files: files, workdir: workdir, checkpoint: nil)))
    }

    func file(_ content: String, _ mediaType: String) throws -> HandlerRequest.File {
        let path = directory + "/input-\(UInt32.random(in: 0...UInt32.max))"
        try content.write(toFile: path, atomically: false, encoding: .utf8)
        return .init(name: "file", filename: "in", path: path, mediaType: mediaType, bytes: Int64(content.utf8.count))
    }

    func run(_ items: [InferenceItem]) async throws -> [ItemOutcome] { try await runner.run(items, observer: SilentObserver()) }

    /// - Parameter ended: hears of each item that is answered.
    func run(_ inputs: JSONValue..., ended: @escaping @Sendable (ItemID) -> Void) async throws -> [ItemOutcome] {
        try await runner.run(try inputs.enumerated().map { try item(ItemID($0 + 1), $1) }, observer: EndsObserver(ended: ended))
    }

    func run(_ inputs: JSONValue...) async throws -> [ItemOutcome] {
        try await run(try inputs.enumerated().map { try item(ItemID($0 + 1), $1) })
    }
}

/// A model server that the test starts and ends.
final class RunningServer: Sendable {
    let port: Int
    let logs = RecordedLogs()
    private let signals: AsyncStream<ChildProcess.Signal>.Continuation
    private let existence: Task<ChildExit, Never>

    init(port: Int? = nil, mode: String = "") throws {
        let port = try port ?? LoopbackPort.free()
        self.port = port
        let (signals, signaller) = AsyncStream<ChildProcess.Signal>.makeStream()
        self.signals = signaller
        let command = ChildCommand(["python3", "server.py", "\(port)", mode], environment: ServerFixture.environment, in: ServerFixture.peers)!
        // Unstructured: it lives until the test ends it.
        existence = Task { [logs] in
            await ChildProcess.run(command, life: .tethered, signals: signals) { bytes, _ in
                for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") { logs.append(String(line)) }
            }
        }
    }

    var place: HTTPRunnerConfiguration.Place { .running(url: "http://127.0.0.1:\(port)") }

    func end() async -> ChildExit {
        signals.yield(.terminate)
        return await existence.value
    }
}

struct EndsObserver: ItemObserver {
    let ended: @Sendable (ItemID) -> Void
    func ended(_ item: ItemID, _ outcome: ItemOutcome) { ended(item) }
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}

struct SilentObserver: ItemObserver {
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}

/// Keeps what is logged, and lets a test wait for a line.
final class RecordedLogs: Sendable {
    private struct State {
        var lines: [String] = []
        var listeners: [AsyncStream<String>.Continuation] = []
    }
    private let state = Mutex(State())

    var lines: [String] { state.withLock { $0.lines } }

    func append(_ line: String) {
        state.withLock { state in
            state.lines.append(line)
            for listener in state.listeners { listener.yield(line) }
        }
    }

    /// The first line that begins so, of all there were and will be; waits for it.
    func line(_ beginning: String) async -> String {
        let (lines, listener) = AsyncStream<String>.makeStream()
        state.withLock { state in
            for line in state.lines { listener.yield(line) }
            state.listeners.append(listener)
        }
        for await line in lines where line.hasPrefix(beginning) { return line }
        return ""
    }
}

struct RecordingLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    private let logs: RecordedLogs

    init(_ logs: RecordedLogs) { self.logs = logs }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { logs.append("\(event.message)") }
}

extension ItemOutcome {
    var json: JSONValue? { if case .reply(let reply) = self { reply.json } else { nil } }
    var file: HandlerReply.File? { if case .reply(let reply) = self { reply.outputs.first } else { nil } }
    var failure: JobFailure? { if case .failed(let failure) = self { failure } else { nil } }
    var isCancelled: Bool { if case .cancelled = self { true } else { false } }
}
