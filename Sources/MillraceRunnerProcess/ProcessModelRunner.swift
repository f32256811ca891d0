import Logging
import MillraceCore
import MillraceInference
import MillraceProcesses
import MillraceWire
import Synchronization

/// Runs a model in a long-lived process of its own, in any language, over the handler protocol
/// (`docs/architecture/03-handler-protocol.md`).
///
/// The handler is started by ``load()``. When it dies while nothing runs, or does not answer pings, it is started again with
/// longer and longer waits; when it dies under a batch, by the next ``run(_:observer:)``. Inside a
/// batch that has to be run again, whole or in halves, nothing is done twice: an item that had its answer is answered
/// from memory, and one that was asked to stop is `.cancelled` without being sent.
///
/// What `run` does when things go wrong:
/// - an item of a batch of one dies with the handler, or breaks the protocol: its outcome is `.failed`
///   (`handler_crashed`, `handler_protocol`; retryable, with the end of standard error);
/// - the handler dies under several, or has to be ended because one of them did not stop in time: throws
///   ``BatchFailure/runnerLost(_:)``. The caller runs the items again in halves; none of them has lost an attempt;
/// - the handler says that the batch failed as a whole: throws ``BatchFailure/unattributed(_:)``, or
///   ``BatchFailure/outOfMemory(_:)`` for the code `out_of_memory`;
/// - the handler cannot be started again: every item is `.failed` with `model_unavailable`, which says nothing about it;
/// - the calling task is cancelled: the process is ended and `CancellationError` thrown.
public final class ProcessModelRunner: ModelRunner {
    private struct State {
        var process: HandlerProcess?
        var isClosed = false
        var isRunning = false
        var items = RunnerItems()
        /// Told when an item of the running batch was asked to stop.
        var stops: AsyncStream<Void>.Continuation?
        var backoff: RestartBackoff
        /// Waits for the end of the handler that is ready, and starts another if nothing runs then.
        var watch: Task<Void, Never>?
    }

    private let configuration: ProcessRunnerConfiguration
    private let logger: Logger
    private let surroundings: Surroundings
    private let state: Mutex<State>
    /// A batch and the watch may both want a process; the second finds the first one's.
    private let starting = Gate(limit: 1)

    public init(_ configuration: ProcessRunnerConfiguration, logger: Logger = Logger(label: "millrace.handler"),
        surroundings: Surroundings = .system
    ) {
        self.configuration = configuration
        self.logger = logger
        self.surroundings = surroundings
        state = Mutex(State(backoff: RestartBackoff(base: configuration.limits.restartBackoffBase, max: configuration.limits.restartBackoffMax)))
    }

    public var signature: ModelSignature? { nil }

    /// Starts the handler and waits for its model.
    /// - Throws: ``JobFailure`` `model_unavailable`, with the end of the handler's standard error.
    public func load() async throws {
        do {
            _ = try await readyProcess()
        } catch {
            try await leaveIfCancelled()
            throw error
        }
    }

    public func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        state.withLock { state in
            precondition(!state.isRunning, "a runner runs one batch at a time")
            state.isRunning = true
            state.items.admit(batch.map(\.id))
        }
        defer { state.withLock { $0.isRunning = false } }
        // The memory of their images is there as long as the requests are.
        defer { withExtendedLifetime(batch) {} }
        var waiting = encode(batch)
        while true {
            waiting = unsettled(waiting)
            guard !waiting.isEmpty else { break }
            try await runSome(of: waiting, observer: observer)
        }
        return state.withLock { $0.items.take(batch.map(\.id)) }
    }

    public func cancel(_ item: ItemID, reason: CancellationReason) async {
        let (process, stops) = state.withLock { state in
            state.items.stop(item, reason: reason) ? (state.process, state.stops) : (nil, nil)
        }
        process?.cancel(item, reason: reason)
        stops?.yield()
    }

    /// Asks the handler to exit and waits until nothing of it is left.
    public func close() async {
        let (process, watch) = state.withLock { state in
            state.isClosed = true
            return (state.process, state.watch)
        }
        watch?.cancel()
        await process?.shutdown()
        await watch?.value
        // The watch may have been at starting another.
        await state.withLock { $0.process }?.shutdown()
    }

    // MARK: A batch

    /// The items as messages; what cannot be one is answered here.
    private func encode(_ batch: [InferenceItem]) -> [RunnerWorkMessage.Item] {
        batch.compactMap { item in
            guard case .request(let request) = item.payload else {
                settle([item.id: .failed(JobFailure(.internal, "a handler process runs requests, not tensors"))])
                return nil
            }
            let message = RunnerWorkMessage.Item(item.id, request)
            if message.frameBytes <= HandlerBatching.frameBytesMax { return message }
            settle([item.id: .failed(HandlerBatching.tooLarge(message))])
            return nil
        }
    }

    /// Runs as many items as one batch of the handler can have.
    private func runSome(of waiting: [RunnerWorkMessage.Item], observer: any ItemObserver) async throws {
        let ready: (process: HandlerProcess, batchMax: Int)?
        do {
            ready = try await readyProcess(for: waiting)
            try await leaveIfCancelled()
        } catch {
            try await leaveIfCancelled()
            guard let failure = error as? JobFailure else { throw error }
            // An item that was asked to stop meanwhile has stopped, whatever became of the start.
            return settle(Dictionary(unsettled(waiting).map { ($0.item, .failed(failure)) }, uniquingKeysWith: { first, _ in first }))
        }
        // A start takes long enough for items to be asked to stop, which a handler that is not there cannot be told.
        let waiting = unsettled(waiting)
        guard let (process, batchMax) = ready, !waiting.isEmpty else { return }
        let chunk = HandlerBatching.first(of: waiting, itemsMax: batchMax)
        observer.began(chunk.map(\.item))
        let end = try await process.run(chunk, observer: observer) { [self] in
            state.withLock { state in chunk.reduce(into: [:]) { $0[$1.item] = state.items.stopping($1.item) } }
        }
        let ended = outcomes(of: end, chunk: chunk)
        settle(ended)
        // What the handler takes next may take long.
        for (item, outcome) in ended { observer.ended(item, outcome) }
        if end.remainder?.leavesNoProcess == true { await discard(process) } else { state.withLock { $0.backoff.succeeded() } }
        switch end.remainder {
        case nil, .unsent: break
        case .abandoned: throw CancellationError()
        case .lost(let failure): throw BatchFailure.runnerLost(failure)
        case .failed(let failure) where failure.code == ErrorCode.outOfMemory.rawValue:
            throw BatchFailure.outOfMemory(failure.message)
        case .failed(let failure): throw BatchFailure.unattributed(failure)
        }
    }

    private func outcomes(of end: BatchEnd, chunk: [RunnerWorkMessage.Item]) -> [ItemID: ItemOutcome] {
        chunk.reduce(into: [:]) { outcomes, item in
            outcomes[item.item] = end.answers[item.item].map { HandlerFiles.outcome(of: $0, workdir: item.workdir) }
        }
    }

    private func unsettled(_ items: [RunnerWorkMessage.Item]) -> [RunnerWorkMessage.Item] {
        state.withLock { state in items.filter { !state.items.isSettled($0.item) } }
    }

    private func settle(_ outcomes: [ItemID: ItemOutcome]) {
        state.withLock { $0.items.settle(outcomes) }
    }

    // MARK: The process

    /// The handler, loaded; `nil` as soon as every one of the items has been asked to stop. Its start goes on then, for
    /// the items that come next.
    private func readyProcess(for items: [RunnerWorkMessage.Item]) async throws -> (process: HandlerProcess, batchMax: Int)? {
        try await withThrowingTaskGroup { group in
            group.addTask { try await Optional(self.readyProcess()) }
            group.addTask {
                await self.untilSettled(items)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }

    private func untilSettled(_ items: [RunnerWorkMessage.Item]) async {
        let (stops, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.stops = continuation }
        // What was asked before this stream was there is seen too.
        continuation.yield()
        for await _ in stops where unsettled(items).isEmpty { return }
    }

    /// The handler, loaded; started when there is none. When the task is cancelled its start goes on.
    private func readyProcess() async throws -> (process: HandlerProcess, batchMax: Int) {
        let process = try await currentProcess()
        do {
            return (process, try await process.untilReady())
        } catch let error as CancellationError {
            throw error
        } catch {
            if await discard(process) { state.withLock { $0.backoff.failed(at: surroundings.now()) } }
            throw error
        }
    }

    /// Starts a handler again that died while nothing ran, so that the next batch need not wait for its model.
    private func revive(after process: HandlerProcess) async {
        await process.untilGone()
        // One that never was ready is told to whoever started it.
        guard (try? await process.untilReady()) != nil, foundDead(process) else { return }
        while !Task.isCancelled {
            do {
                _ = try await readyProcess()
                return
            } catch {
                guard error is JobFailure else { return }
            }
        }
    }

    /// Whether a process died that no batch looks after.
    private func foundDead(_ process: HandlerProcess) -> Bool {
        state.withLock { state in
            guard state.process === process, !state.isRunning, !state.isClosed else { return false }
            state.process = nil
            state.backoff.failed(at: surroundings.now())
            return true
        }
    }

    /// The handler, loaded or not; launched when there is none.
    private func currentProcess() async throws -> HandlerProcess {
        try await starting.enter { try await launchedProcess() }
    }

    private func launchedProcess() async throws -> HandlerProcess {
        if let process = state.withLock({ $0.process }) { return process }
        if let wait = state.withLock({ $0.backoff.wait(at: surroundings.now()) }) { try await surroundings.sleep(wait) }
        if state.withLock({ $0.isClosed }) { throw CancellationError() }
        let process = try await HandlerProcess.launch(configuration, logger: logger, surroundings: surroundings)
        let isClosed = state.withLock { state in
            state.process = process
            // Unstructured: it outlives the call that starts the process; ``close()`` waits for it.
            state.watch = Task { [weak self] in await self?.revive(after: process) }
            return state.isClosed
        }
        if isClosed { await process.shutdown() }
        return process
    }

    /// Nobody waits any more: a handler that is being started is ended.
    private func leaveIfCancelled() async throws {
        guard Task.isCancelled else { return }
        if let process = state.withLock({ $0.process }), await process.abandonStart() { await discard(process) }
        throw CancellationError()
    }

    /// Waits until a process is gone; the next batch starts another.
    /// - Returns: false when somebody else did so first.
    @discardableResult
    private func discard(_ process: HandlerProcess) async -> Bool {
        await process.untilGone()
        return state.withLock { state in
            guard state.process === process else { return false }
            state.process = nil
            return true
        }
    }
}
