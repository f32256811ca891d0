import AsyncHTTPClient
import Logging
import MillraceCore
import MillraceProcesses
import Synchronization

/// Keeps a model server at work: starts it where it is ours, waits until it is ready, watches it, and starts it again when
/// it is gone. One task does all that; whoever has requests waits for what it finds.
final class ServerKeeper: Sendable {
    private struct State {
        var standing: ServerStanding
        /// Told that the standing changed.
        var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
        var nextListener = 0
        var keeping: Task<Void, Never>?
    }

    private let configuration: HTTPRunnerConfiguration
    private let probe: ServerProbe
    private let logger: Logger
    private let surroundings: Surroundings
    private let state: Mutex<State>

    init(_ configuration: HTTPRunnerConfiguration, client: HTTPClient, logger: Logger, surroundings: Surroundings) {
        self.configuration = configuration
        self.logger = logger
        self.surroundings = surroundings
        probe = ServerProbe(client: client, dialect: configuration.dialect, limit: configuration.limits.probeMax)
        state = Mutex(State(standing: ServerStanding(configuration.limits)))
    }

    private var limits: HTTPRunnerLimits { configuration.limits }

    // MARK: For those who have requests

    func start() {
        // Unstructured: it lives from `start` to `close`, which waits for it.
        let task = Task { await self.keep() }
        state.withLock { $0.keeping = task }
    }

    /// Where to send requests, once the server is ready, and in which life.
    /// - Throws: ``JobFailure`` `model_unavailable` when it could not be started, or was not ready in time.
    func ready() async throws -> (url: String, life: Int) {
        let starts = state.withLock { $0.standing.failedStarts }
        return try await wait { try $0.ready(since: starts) }
    }

    /// Says whether a life goes on, or how it ended.
    func verdict(on life: Int) async throws -> ServerStanding.Verdict {
        try await wait { try $0.verdict(on: life) }
    }

    /// Something went wrong: nothing new is sent until the server has shown that it is ready.
    func doubt(life: Int) { change { $0.doubt(life: life) } }
    func answered() { change { $0.answered() } }

    /// Counts as a request for the time of `body`.
    func requesting<Value>(_ body: () async -> Value) async -> Value {
        change { $0.sent() }
        defer { change { $0.received() } }
        return await body()
    }

    func setBusy(_ isBusy: Bool) { change { $0.isBusy = isBusy } }

    /// Ends the server, where it is ours, and waits until nothing of it is left.
    func close() async {
        change { $0.close() }
        let keeping = state.withLock { $0.keeping }
        keeping?.cancel()
        await keeping?.value
    }

    // MARK: Keeping

    private func keep() async {
        while !Task.isCancelled {
            if let wait = state.withLock({ $0.standing.backoff.wait(at: surroundings.now()) }) { try? await surroundings.sleep(wait) }
            guard !Task.isCancelled else { return }
            let life = change { standing in
                standing.begin()
                return standing.life
            }
            do {
                try await live(life)
            } catch let failure as JobFailure {
                change { $0.ended(failure, at: surroundings.now()) }
                logger.warning("\(failure.message)")
            } catch {
                return
            }
        }
    }

    /// One life of the server, from its start to its end, which is thrown.
    private func live(_ life: Int) async throws -> Never {
        switch configuration.place {
        case .running(let url): try await serve(at: url, process: nil)
        case .started(let launch):
            let port = try LoopbackPort.free()
            guard let command = launch.command(onPort: port) else { throw JobFailure(.modelUnavailable, "the model has no command") }
            let process = try ServerProcess.launch(command, limits: limits, logger: logger, surroundings: surroundings) { [self] in
                change { $0.exited(life: life) }
            }
            do {
                try await serve(at: "http://127.0.0.1:\(port)", process: process)
            } catch {
                await process.end()
                throw process.completed(error)
            }
        }
    }

    private func serve(at url: String, process: ServerProcess?) async throws -> Never {
        let begun = surroundings.now()
        try await untilReady(at: url, process)
        change { $0.becameReady(at: url) }
        logger.info(
            "the model server is ready", metadata: ["url": "\(url)", "start.seconds": "\(surroundings.now().since(begun).seconds)"])
        while true {
            try await pause(limits.probeEvery)
            try Task.checkCancellation()
            if let process, let exit = process.exit { throw process.failure(exit, wasReady: true) }
            let standing = state.withLock { $0.standing }
            // A server that computes may have nobody left to answer.
            if standing.requests > 0, !standing.needsLook { continue }
            try await look(at: url, process)
            change { $0.becameReady(at: url) }
        }
    }

    private func untilReady(at url: String, _ process: ServerProcess?) async throws {
        let deadline = surroundings.now() + configuration.startMax
        var interval = Duration.milliseconds(25)
        while true {
            let answer = try await probe.ask(url)
            if let process, let exit = process.exit { throw process.failure(exit, wasReady: false) }
            guard case .notReady(let reason) = answer else { return }
            guard surroundings.now() < deadline else {
                throw JobFailure(
                    .modelUnavailable, "the model server at \(url) was not ready after \(configuration.startMax.inSeconds): \(reason)",
                    hint: "look into the worker's log; a model that takes longer to load needs a greater server.startMax", retryable: true)
            }
            try await pause(interval)
            try Task.checkCancellation()
            interval = min(interval * 2, limits.startProbeEvery)
        }
    }

    /// Asks a server that was ready, until it is again or has been silent for too long.
    private func look(at url: String, _ process: ServerProcess?) async throws {
        var deadline = surroundings.now() + limits.silenceMax
        while true {
            let answer = try await probe.ask(url)
            if let process, let exit = process.exit { throw process.failure(exit, wasReady: true) }
            guard case .notReady(let reason) = answer else { return }
            // Requests that go on are a sign of life: a server that computes may have nobody left to answer.
            if state.withLock({ $0.standing.requests }) > 0 { deadline = surroundings.now() + limits.silenceMax }
            guard surroundings.now() < deadline else {
                throw JobFailure(
                    .handlerCrashed, "the model server at \(url) was not ready for \(limits.silenceMax.inSeconds): \(reason)", retryable: true)
            }
            // Whoever asks for work now must wait.
            change { $0.doubt(life: $0.life) }
            try await surroundings.sleep(.milliseconds(100))
        }
    }

    /// Waits for a time, or until there is something to look at.
    private func pause(_ duration: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { [surroundings] group in
            group.addTask { try await surroundings.sleep(duration) }
            group.addTask { try await self.wait { $0.needsLook ? () : nil } }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: The standing

    @discardableResult
    private func change<Value: Sendable>(_ body: (inout ServerStanding) -> Value) -> Value {
        let (value, listeners) = state.withLock { state in (body(&state.standing), Array(state.listeners.values)) }
        for listener in listeners { listener.yield() }
        return value
    }

    /// Waits until `look` finds what it looks for.
    private func wait<Value>(_ look: (ServerStanding) throws -> Value?) async throws -> Value {
        let (changes, listener) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.nextListener += 1
            state.listeners[state.nextListener] = listener
            return state.nextListener
        }
        defer { state.withLock { _ = $0.listeners.removeValue(forKey: id) } }
        // What happened before there was a listener is seen too.
        listener.yield()
        for await _ in changes {
            if let value = try look(state.withLock { $0.standing }) { return value }
        }
        throw CancellationError()
    }
}
