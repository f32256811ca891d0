import Logging
import MillraceCore
import MillraceProcesses
import Synchronization

/// The process of a model server: launched once, gone once. What it prints goes to the worker's log.
final class ServerProcess: Sendable {
    private struct State {
        var exit: ChildExit?
        var lines: [ChildProcess.Stream: OutputLines]
        var tail: OutputTail
        var rate: LineRate
    }

    private let limits: HTTPRunnerLimits
    private let logger: Logger
    private let surroundings: Surroundings
    private let state: Mutex<State>
    private let signals: AsyncStream<ChildProcess.Signal>.Continuation
    /// The process outlives the call that launched it, so its task is nobody's child; ``end()`` waits for it.
    private let existence = Mutex<Task<Void, Never>?>(nil)

    private init(
        limits: HTTPRunnerLimits, logger: Logger, surroundings: Surroundings, signals: AsyncStream<ChildProcess.Signal>.Continuation
    ) {
        self.limits = limits
        self.logger = logger
        self.surroundings = surroundings
        self.signals = signals
        let lines = OutputLines(lineBytesMax: limits.lineBytesMax)
        state = Mutex(
            State(
                lines: [.output: lines, .error: lines], tail: OutputTail(bytesMax: limits.stderrTailBytes),
                rate: LineRate(linesPerSecond: limits.linesPerSecond)))
    }

    /// - Parameter onExit: called once, when the process and its session are gone.
    /// - Throws: ``JobFailure`` `model_unavailable` when there is no such program.
    static func launch(
        _ command: ChildCommand, limits: HTTPRunnerLimits, logger: Logger, surroundings: Surroundings,
        onExit: @escaping @Sendable () -> Void
    ) throws -> ServerProcess {
        guard command.programPath != nil else {
            throw JobFailure(
                .modelUnavailable, "there is no program \"\(command.program)\" to start the model server with",
                hint: "correct \"command\" in model.yaml, or install the program", retryable: true)
        }
        let (signals, signaller) = AsyncStream<ChildProcess.Signal>.makeStream()
        let process = ServerProcess(limits: limits, logger: logger, surroundings: surroundings, signals: signaller)
        // Unstructured: see `existence`.
        let existence = Task {
            let status = await ChildProcess.run(command, life: .tethered, signals: signals) { process.wrote($0, to: $1) }
            process.exited(status)
            onExit()
        }
        process.existence.withLock { $0 = existence }
        return process
    }

    /// How the process ended; `nil` while it lives.
    var exit: ChildExit? { state.withLock { $0.exit } }

    /// Asks the whole session to end, ends it if it does not, and waits until nothing of it is left.
    func end() async {
        signals.yield(.terminate)
        // Unstructured: the wait below must not end with a task that is cancelled.
        let impatience = Task { [surroundings, limits, signals] in
            try? await surroundings.sleep(limits.terminateGrace)
            if !Task.isCancelled { signals.yield(.kill) }
        }
        await existence.withLock { $0 }?.value
        impatience.cancel()
    }

    func failure(_ exit: ChildExit, wasReady: Bool) -> JobFailure {
        JobFailure(
            wasReady ? .handlerCrashed : .modelUnavailable,
            exit.isNotStarted ? "the model server could not be started: \(exit)" : "the model server \(exit)\(wasReady ? "" : " before it was ready")",
            hint: exit.hint, retryable: true)
    }

    /// The failure with the last words of the process, which is gone by now.
    func completed(_ error: any Error) -> any Error {
        guard var failure = error as? JobFailure else { return error }
        let tail = state.withLock { $0.tail.text }
        failure.stderrTail = tail.isEmpty ? nil : tail
        return failure
    }

    // MARK: What is said

    private func wrote(_ bytes: [UInt8], to stream: ChildProcess.Stream) {
        log { state in
            if stream == .error { state.tail.append(bytes) }
            return state.lines[stream]!.append(bytes)
        }
    }

    private func exited(_ status: ChildExit) {
        log { state in [.output, .error].compactMap { state.lines[$0]!.finish() } }
        let omitted = state.withLock { state in
            state.exit = status
            return state.rate.takeOmitted()
        }
        if omitted > 0 { logger.warning("\(omitted) lines left out: the model server said too much") }
    }

    private func log(_ lines: (inout State) -> [String]) {
        let now = surroundings.now()
        let (admitted, omitted) = state.withLock { state in
            let admitted = lines(&state).filter { _ in state.rate.admits(at: now) }
            return (admitted, admitted.isEmpty ? 0 : state.rate.takeOmitted())
        }
        if omitted > 0 { logger.warning("\(omitted) lines left out: the model server said too much") }
        for line in admitted { logger.info("\(line)") }
    }
}
