import Logging
import MillraceCore
import MillraceInference
import MillraceWire
import Synchronization

/// Runs a model in a long-lived process of its own, in any language, over the handler protocol
/// (`docs/architecture/03-handler-protocol.md`).
///
/// The handler is started by ``load()`` and started again, by the next ``run(_:observer:)``, when it died. Inside a
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
        var backoff: RestartBackoff
    }

    private let configuration: ProcessRunnerConfiguration
    private let logger: Logger
    private let surroundings: Surroundings
    private let state: Mutex<State>

    public init(_ configuration: ProcessRunnerConfiguration, logger: Logger = Logger(label: "millrace.handler"),
        surroundings: Surroundings = .system
    ) {
        self.configuration = configuration
        self.logger = logger
        self.surroundings = surroundings
        state = Mutex(State(backoff: RestartBackoff(configuration.limits)))
    }

    public var signature: ModelSignature? { nil }

    /// Starts the handler and waits for its model.
    /// - Throws: ``JobFailure`` `model_unavailable`, with the end of the handler's standard error.
    public func load() async throws {
        _ = try await readyProcess()
    }

    public func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        state.withLock { state in
            precondition(!state.isRunning, "a runner runs one batch at a time")
            state.isRunning = true
            state.items.admit(batch.map(\.id))
        }
        defer { state.withLock { $0.isRunning = false } }
        var waiting = encode(batch)
        while !waiting.isEmpty {
            state.withLock { state in waiting.removeAll { state.items.isSettled($0.item) } }
            guard !waiting.isEmpty else { break }
            try await runSome(of: waiting, observer: observer)
        }
        return state.withLock { $0.items.take(batch.map(\.id)) }
    }

    public func cancel(_ item: ItemID, reason: CancellationReason) async {
        let process = state.withLock { $0.items.stop(item, reason: reason) ? $0.process : nil }
        process?.cancel(item, reason: reason)
    }

    /// Asks the handler to exit and waits until nothing of it is left.
    public func close() async {
        let process = state.withLock { state in
            state.isClosed = true
            return state.process
        }
        await process?.shutdown()
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
        let process: HandlerProcess
        let batchMax: Int
        do {
            (process, batchMax) = try await readyProcess()
            try Task.checkCancellation()
        } catch let failure as JobFailure {
            try Task.checkCancellation()
            return settle(Dictionary(waiting.map { ($0.item, .failed(failure)) }, uniquingKeysWith: { first, _ in first }))
        }
        let chunk = HandlerBatching.first(of: waiting, itemsMax: batchMax)
        let end = try await process.run(chunk, observer: observer) { [self] in
            state.withLock { state in chunk.reduce(into: [:]) { $0[$1.item] = state.items.stopping($1.item) } }
        }
        settle(outcomes(of: end, chunk: chunk))
        if end.remainder?.leavesNoProcess == true { await discard(process) }
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

    private func settle(_ outcomes: [ItemID: ItemOutcome]) {
        state.withLock { $0.items.settle(outcomes) }
    }

    // MARK: The process

    /// The handler, loaded; started when there is none.
    private func readyProcess() async throws -> (HandlerProcess, batchMax: Int) {
        if let process = state.withLock({ $0.process }) { return (process, try await process.untilReady()) }
        if let wait = state.withLock({ $0.backoff.wait(at: surroundings.now()) }) { try await surroundings.sleep(wait) }
        if state.withLock({ $0.isClosed }) { throw CancellationError() }
        let process = try await HandlerProcess.launch(configuration, logger: logger, surroundings: surroundings)
        let isClosed = state.withLock { state in
            state.process = process
            return state.isClosed
        }
        if isClosed { await process.shutdown() }
        do {
            let batchMax = try await process.untilReady()
            state.withLock { $0.backoff.succeeded() }
            return (process, batchMax)
        } catch {
            await discard(process)
            state.withLock { $0.backoff.failed(at: surroundings.now()) }
            try Task.checkCancellation()
            throw error
        }
    }

    /// Waits until a process is gone; the next batch starts another.
    private func discard(_ process: HandlerProcess) async {
        await process.untilGone()
        state.withLock { state in
            if state.process === process { state.process = nil }
        }
    }
}
