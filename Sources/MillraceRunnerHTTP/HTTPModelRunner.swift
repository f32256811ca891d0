import AsyncHTTPClient
import Logging
import MillraceCore
import MillraceInference
import NIOCore
import NIOPosix
import Synchronization

/// Runs a model in a model server, over HTTP: one that is started and watched here, or one that is already running
/// (`docs/architecture/08-model-servers.md`).
///
/// The items of a batch are requests side by side. What `run` does when things go wrong:
/// - the server answers with an error: the item is `.failed`, with what the server says; whether it is tried again is told
///   by the status;
/// - the server was not reached: the item has not been seen, and is sent once the server is ready again;
/// - one connection broke before its answer: the item is `.failed` (`handler_crashed`, retryable, with the exit and the end
///   of standard error where the server is ours and ended);
/// - several broke: throws ``BatchFailure/runnerLost(_:)``. The caller runs the items again in halves; those that had their
///   answer are answered from memory;
/// - the server cannot be started, or is not ready in time: every item is `.failed` with `model_unavailable`, which says
///   nothing about it;
/// - the calling task is cancelled: the requests are closed and `CancellationError` thrown. The server goes on.
public final class HTTPModelRunner: ModelRunner {
    private struct Connection {
        var client: HTTPClient
        var keeper: ServerKeeper
    }
    private struct State {
        var connection: Connection?
        var isRunning = false
        var items = RunnerItems()
        /// Told when an item of the running batch is to stop.
        var stoppers: [ItemID: AsyncStream<Void>.Continuation] = [:]
    }
    /// What became of an item in one try.
    private enum Sent: Sendable {
        case settled(ItemOutcome)
        case lost(life: Int, reason: String)
    }

    /// A server that is ready and yet refuses connections has no room.
    private static let refusalsMax = 3

    private let configuration: HTTPRunnerConfiguration
    private let logger: Logger
    private let surroundings: Surroundings
    private let state = Mutex(State())

    public init(
        _ configuration: HTTPRunnerConfiguration, logger: Logger = Logger(label: "millrace.server"), surroundings: Surroundings = .system
    ) {
        self.configuration = configuration
        self.logger = logger
        self.surroundings = surroundings
    }

    public var signature: ModelSignature? { nil }

    /// Starts the server, where it is ours, and waits until it is ready.
    /// - Throws: ``JobFailure`` `model_unavailable`, with the end of the server's standard error.
    public func load() async throws {
        let client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton.next(), configuration: clientConfiguration)
        let keeper = ServerKeeper(configuration, client: client, logger: logger, surroundings: surroundings)
        state.withLock { state in
            precondition(state.connection == nil, "a runner is loaded once")
            state.connection = Connection(client: client, keeper: keeper)
        }
        keeper.start()
        do {
            _ = try await keeper.ready()
        } catch {
            await close()
            throw error
        }
    }

    private var clientConfiguration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .milliseconds(self.configuration.limits.connectMax.milliseconds)
        // No connection is kept: one that the server closes at the moment of its next use cannot be told from a crash.
        configuration.connectionPool.idleTimeout = .zero
        // And one for questions about its health.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = self.configuration.itemsMax + 1
        // A refused connection is news, not an accident: the server is asked how it is, and then all are sent again.
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    public func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        guard let connection = state.withLock({ $0.connection }) else { throw CancellationError() }
        let waiting = state.withLock { state in
            precondition(!state.isRunning, "a runner runs one batch at a time")
            state.isRunning = true
            state.items.admit(batch.map(\.id))
            return batch.filter { !state.items.isSettled($0.id) }
        }
        connection.keeper.setBusy(true)
        defer {
            state.withLock { $0.isRunning = false }
            connection.keeper.setBusy(false)
        }
        observer.began(waiting.map(\.id))
        let lost = await send(waiting, connection, observer)
        try Task.checkCancellation()
        if let first = lost.first {
            let failure = try await connection.keeper.failure(first.life, first.reason)
            guard lost.count == 1 else { throw BatchFailure.runnerLost(failure) }
            settle(first.item, .failed(failure))
        }
        return state.withLock { $0.items.take(batch.map(\.id)) }
    }

    public func cancel(_ item: ItemID, reason: CancellationReason) async {
        let stopper = state.withLock { state in state.items.stop(item, reason: reason) ? state.stoppers[item] : nil }
        stopper?.finish()
    }

    /// Ends the server, where it is ours, and waits until nothing of it is left.
    public func close() async {
        let connection = state.withLock { state in
            defer { state.connection = nil }
            return state.connection
        }
        guard let connection else { return }
        await connection.keeper.close()
        try? await connection.client.shutdown()
    }

    // MARK: A batch

    /// Sends all items side by side, and settles those that have an answer, each as it comes.
    /// - Returns: the others, whose connection broke.
    private func send(
        _ items: [InferenceItem], _ connection: Connection, _ observer: any ItemObserver
    ) async -> [(item: ItemID, life: Int, reason: String)] {
        await withTaskGroup(of: (ItemID, Sent).self) { group in
            for item in items { group.addTask { (item.id, await self.sendUnlessStopped(item, connection)) } }
            return await group.reduce(into: []) { lost, end in
                switch end.1 {
                case .settled(let outcome):
                    settle(end.0, outcome)
                    observer.ended(end.0, outcome)
                case .lost(let life, let reason): lost.append((end.0, life, reason))
                }
            }
        }
    }

    private func sendUnlessStopped(_ item: InferenceItem, _ connection: Connection) async -> Sent {
        guard case .request(let request) = item.payload else {
            return .settled(.failed(JobFailure(.internal, "a model server runs requests, not tensors")))
        }
        let (stop, stopper) = AsyncStream<Void>.makeStream()
        let isStopped = state.withLock { state in
            state.stoppers[item.id] = stopper
            return state.items.stopping(item.id) != nil
        }
        defer { state.withLock { _ = $0.stoppers.removeValue(forKey: item.id) } }
        if isStopped { return .settled(.cancelled) }
        return await withTaskGroup(of: Sent?.self) { group in
            group.addTask { await self.send(request, connection) }
            group.addTask {
                for await _ in stop {}
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? .settled(.cancelled)
        }
    }

    private func send(_ request: HandlerRequest, _ connection: Connection) async -> Sent {
        let exchange = ServerExchange(
            client: connection.client, dialect: configuration.dialect, answerBytesMax: configuration.answerBytesMax,
            answerInMemoryMax: configuration.limits.answerInMemoryMax, surroundings: surroundings)
        for _ in 0..<Self.refusalsMax {
            let (url, life): (String, Int)
            do {
                (url, life) = try await connection.keeper.ready()
            } catch {
                return .settled((error as? JobFailure).map { .failed($0) } ?? .cancelled)
            }
            switch await connection.keeper.requesting({ await exchange.send(request, to: url) }) {
            case .outcome(.cancelled):
                // Whether the server goes on with it, and is busy, or hangs, only the server can tell.
                connection.keeper.doubt(life: life)
                return .settled(.cancelled)
            case .outcome(let outcome):
                connection.keeper.answered()
                return .settled(outcome)
            case .fault(let fault):
                connection.keeper.doubt(life: life)
                if fault.kind == .lost { return .lost(life: life, reason: fault.reason) }
            }
        }
        return .settled(.failed(JobFailure(.unavailable, "the model server refuses connections", retryable: true)))
    }

    private func settle(_ item: ItemID, _ outcome: ItemOutcome) {
        state.withLock { $0.items.settle([item: outcome]) }
    }
}

extension ServerKeeper {
    /// Why a connection of a life broke.
    fileprivate func failure(_ life: Int, _ reason: String) async throws -> JobFailure {
        switch try await verdict(on: life) {
        case .ended(let failure): failure
        case .alive:
            JobFailure(
                .handlerCrashed, "the model server broke off before it answered: \(reason)",
                hint: "look into the server's own log", retryable: true)
        }
    }
}
