import Foundation
import Logging
import MillraceCore
import MillraceInference
import MillraceProcesses
import Synchronization

@testable import MillraceRunnerProcess

/// A runner over one of the peers in `Peers/`, with a directory of its own that goes with it.
final class RunnerFixture: Sendable {
    static let peers = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Peers").path
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    let directory: String
    let runner: ProcessModelRunner
    let observer = RecordingObserver()
    let logs = RecordedLogs()

    init(
        command: [String] = ["{python}", "raw_peer.py"], modelDirectory: String = RunnerFixture.peers,
        environment: [String: String] = [:], change: (inout ProcessRunnerLimits) -> Void = { _ in }
    ) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "mr-\(UInt32.random(in: 0...UInt32.max))").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        var limits = ProcessRunnerLimits()
        limits.restartBackoffBase = .milliseconds(1)
        change(&limits)
        let inherited = ChildCommand.cleanEnvironment(from: ProcessInfo.processInfo.environment)
        let configuration = ProcessRunnerConfiguration(
            command: command, modelDirectory: modelDirectory,
            shimDirectory: Self.repository.appending(path: "clients/python").path,
            environment: inherited.merging(environment) { $1 }, temporaryDirectory: directory, limits: limits)
        let logs = logs
        runner = ProcessModelRunner(configuration, logger: Logger(label: "handler") { _ in RecordingLog(logs) })
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    func item(_ id: ItemID, _ input: JSONValue, files: [HandlerRequest.File] = []) throws -> InferenceItem {
        let workdir = "\(directory)/\(id)"
        try FileManager.default.createDirectory(atPath: workdir, withIntermediateDirectories: true)
        return InferenceItem(
            id: id,
            payload: .request(
                HandlerRequest(
                    job: JobID(high: 1, low: UInt64(id)), endpoint: "test", attempt: 1, parameters: [:], input: input,
                    files: files, workdir: workdir, checkpoint: nil)))
    }

    func run(_ inputs: JSONValue...) async throws -> [ItemOutcome] {
        let items = try inputs.enumerated().map { try item(ItemID($0 + 1), $1) }
        return try await runner.run(items, observer: observer)
    }

    /// What the runner's socket directories leave behind.
    var leftovers: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { $0.hasPrefix("millrace-") }
    }
}

/// Keeps what it hears, and lets a test wait for it.
final class RecordingObserver: ItemObserver {
    enum Event: Sendable, Equatable {
        case progress(JobProgress, ItemID)
        case log(LogLine, ItemID?)
        case checkpoint(String, JSONValue, ItemID)
        case began([ItemID])
        case ended(ItemID)
    }

    private let recorded = Mutex<[Event]>([])
    private let stream = AsyncStream<Event>.makeStream()
    let checkpointError = Mutex<(any Error)?>(nil)

    var events: [Event] { recorded.withLock { $0 } }

    var lines: [String] {
        events.compactMap { if case .log(let line, _) = $0 { line.message } else { nil } }
    }

    /// The first event from now on that fits; `nil` when the observer is finished.
    func first<Value>(_ fits: (Event) -> Value?) async -> Value? {
        for await event in stream.stream {
            if let value = fits(event) { return value }
        }
        return nil
    }

    func firstProgress() async { _ = await first { if case .progress = $0 { true } else { nil } } }

    private func record(_ event: Event) {
        recorded.withLock { $0.append(event) }
        stream.continuation.yield(event)
    }

    func began(_ items: [ItemID]) { record(.began(items)) }
    func ended(_ item: ItemID, _ outcome: ItemOutcome) { record(.ended(item)) }
    func progress(_ progress: JobProgress, of item: ItemID) { record(.progress(progress, item)) }
    func log(_ line: LogLine, of item: ItemID?) { record(.log(line, item)) }
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {
        record(.checkpoint(try String(contentsOfFile: path, encoding: .utf8), position, item))
        if let error = checkpointError.withLock({ $0 }) { throw error }
    }
}

final class RecordedLogs: Sendable {
    private let recorded = Mutex<[String]>([])
    var lines: [String] { recorded.withLock { $0 } }
    func append(_ line: String) { recorded.withLock { $0.append(line) } }
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

    func log(event: LogEvent) {
        logs.append("\(event.message)")
    }
}

extension ItemOutcome {
    var json: JSONValue? { if case .reply(let reply) = self { reply.json } else { nil } }
    var failure: JobFailure? { if case .failed(let failure) = self { failure } else { nil } }
    var isCancelled: Bool { if case .cancelled = self { true } else { false } }
}

extension Array {
    var only: Element? { count == 1 ? self[0] : nil }
}
