import Logging
import MillraceCore
import MillraceInference
import MillraceProcesses
import MillraceWire
import NIOCore

/// The edge around a ``HandlerSession``: does what it answers, with sockets, timers and waiters.
///
/// Belongs to one event loop; everything that happens to a handler is brought to that loop, so that it happens in one
/// order and needs no lock.
final class HandlerLife {
    /// Who waits for a batch, and who hears of it meanwhile.
    struct Listener {
        var observer: any ItemObserver
        var checkpoints: AsyncStream<HandlerControlMessage.Checkpoint>.Continuation
        var end: EventLoopPromise<BatchEnd>
    }

    struct Waiters: Sendable {
        /// Gets the largest batch.
        var ready: EventLoopPromise<Int>
        var gone: EventLoopPromise<Void>

        func fail(_ error: any Error) {
            ready.fail(error)
            gone.fail(error)
        }
    }

    private let loop: any EventLoop
    private let logger: Logger
    private let surroundings: Surroundings
    private let waiters: Waiters
    private let signals: AsyncStream<ChildProcess.Signal>.Continuation
    private var session: HandlerSession
    private var health: HandlerHealth?
    private var timers: [HandlerSession.Timer: Scheduled<Void>] = [:]
    private var connections: [ObjectIdentifier: any Channel] = [:]
    private var channels: [HandlerProtocol.Channel: any Channel] = [:]
    private var listener: Listener?
    private var lines: [ChildProcess.Stream: OutputLines]
    private var tail: OutputTail
    private var rate: LineRate
    private var tensors: TensorTaking
    private let tensorBytesMax: Int

    init(
        limits: ProcessRunnerLimits, requires: Set<HandlerProtocol.Feature>, loop: any EventLoop, logger: Logger,
        surroundings: Surroundings, waiters: Waiters, signals: AsyncStream<ChildProcess.Signal>.Continuation
    ) {
        self.loop = loop
        self.logger = logger
        self.surroundings = surroundings
        self.waiters = waiters
        self.signals = signals
        session = HandlerSession(limits: limits, requires: requires)
        let line = OutputLines(lineBytesMax: limits.lineBytesMax)
        lines = [.output: line, .error: line]
        tail = OutputTail(bytesMax: limits.stderrTailBytes)
        tensorBytesMax = limits.tensorBytesMax
        tensors = TensorTaking(bytesMax: limits.tensorBytesMax)
        rate = LineRate(linesPerSecond: limits.linesPerSecond)
    }

    // MARK: What the runner wants

    func start() { perform(session.started()) }
    func shutdown() { perform(session.shutdown()) }
    func abandon() { perform(session.abandon()) }
    func cancel(_ item: ItemID, reason: CancellationReason) { perform(session.cancel(item, reason: reason)) }

    func run(_ items: [RunnerWorkMessage.Item], for listener: Listener) {
        self.listener = listener
        tensors = TensorTaking(bytesMax: tensorBytesMax)
        perform(session.run(items))
    }

    func stored(_ answer: RunnerControlMessage.Checkpointed) { perform(session.stored(answer)) }

    // MARK: What the handler does

    func connected(_ channel: any Channel) {
        connections[ObjectIdentifier(channel)] = channel
        if connections.count > 2 { violated("a third connection") }
    }

    func named(_ name: HandlerProtocol.Channel, _ channel: any Channel) {
        if channels[name] == nil { channels[name] = channel }
    }

    func received(_ message: HandlerControlMessage) { perform(session.received(message)) }

    func received(_ message: HandlerWorkMessage) {
        guard case .result(let result) = message, !result.tensors.isEmpty else { return perform(session.received(message)) }
        // At once: what is open here stays, even if the handler dies.
        switch tensors.take(result.tensors) {
        case .taken(let taken): perform(session.received(message, tensors: taken))
        case .crowded: perform(session.crowdedOut(result.item, batch: result.batch))
        case .refused(let failure): perform(session.received(.error(.init(failure, batch: result.batch, item: result.item))))
        }
    }

    func violated(_ what: String) { perform(session.violated(what)) }

    func closed(_ name: HandlerProtocol.Channel?, _ channel: any Channel) {
        connections[ObjectIdentifier(channel)] = nil
        perform(name.map { session.closed($0) } ?? session.closedUnnamed())
    }

    func wrote(_ bytes: [UInt8], to stream: ChildProcess.Stream) {
        if stream == .error { tail.append(bytes) }
        for line in lines[stream]!.append(bytes) { said(line) }
    }

    func exited(_ status: ChildExit) {
        for stream in [ChildProcess.Stream.output, .error] {
            if let line = lines[stream]!.finish() { said(line) }
        }
        perform(session.exited(HandlerExit(status: status, stderrTail: tail.text)))
    }

    // MARK: Doing

    private func perform(_ actions: [HandlerSession.Action]) {
        loop.preconditionInEventLoop()
        tellHealth(of: actions)
        for action in actions { perform(action) }
    }

    /// A change of health is a line in the worker's log; the change between batches only for whoever wants to see everything.
    private func tellHealth(of actions: [HandlerSession.Action]) {
        let before = health
        guard session.health != before else { return }
        health = session.health
        let level: Logger.Level =
            switch session.health {
            case .busy: .debug
            case .ready: before == .busy ? .debug : .info
            case .starting, .stopping, .stopped: .info
            case .unresponsive, .failed: .warning
            }
        var metadata: Logger.Metadata = ["handler.health": "\(session.health.rawValue)"]
        for case .ended(let failure) in actions where session.health == .failed {
            metadata["handler.failure"] = "\(failure.message)"
            metadata["handler.stderr"] = failure.stderrTail.map { "\($0)" }
        }
        logger.log(level: level, "the handler is \(session.health.rawValue)", metadata: metadata)
    }

    private func perform(_ action: HandlerSession.Action) {
        switch action {
        case .sendControl(let message): send(message, on: .control)
        case .sendWork(let run): send(RunnerWorkMessage.run(run), on: .work)
        case .setTimer(let timer, let duration): set(timer, duration)
        case .clearTimer(let timer): timers.removeValue(forKey: timer)?.cancel()
        case .signal(let signal): signals.yield(signal)
        case .progress(let progress, let item): listener?.observer.progress(progress, of: item)
        case .log(let line, let item): log(line, of: item)
        case .checkpoint(let checkpoint): listener?.checkpoints.yield(checkpoint)
        case .ready(let batchMax): waiters.ready.succeed(batchMax)
        case .batchEnded(let end): ended(end)
        case .ended(let failure): ended(failure)
        }
    }

    private func send(_ message: some Encodable, on name: HandlerProtocol.Channel) {
        guard let channel = channels[name] else { return }
        do {
            channel.writeAndFlush(try HandlerFrames.encode(message, allocator: channel.allocator), promise: nil)
        } catch {
            violated("a message cannot be written: \(error)")
        }
    }

    private func set(_ timer: HandlerSession.Timer, _ duration: Duration) {
        timers[timer]?.cancel()
        timers[timer] = loop.assumeIsolated().scheduleTask(in: .milliseconds(duration.milliseconds)) {
            self.timers[timer] = nil
            self.perform(self.session.fired(timer))
        }
    }

    private func ended(_ end: BatchEnd) {
        tellOmitted()
        tensors = TensorTaking(bytesMax: tensorBytesMax)
        listener?.checkpoints.finish()
        listener?.end.succeed(end)
        listener = nil
    }

    private func ended(_ failure: JobFailure) {
        tellOmitted()
        timers.values.forEach { $0.cancel() }
        timers = [:]
        connections.values.forEach { $0.close(promise: nil) }
        waiters.ready.fail(failure)
        waiters.gone.succeed()
    }

    // MARK: What is said

    private func said(_ line: String) {
        log(LogLine(level: .info, message: line), of: session.batch?.items.count == 1 ? session.batch?.items.first : nil)
    }

    private func log(_ line: LogLine, of item: ItemID?) {
        guard rate.admits(at: surroundings.now()) else { return }
        tellOmitted()
        pass(line, of: item)
    }

    private func tellOmitted() {
        let omitted = rate.takeOmitted()
        if omitted > 0 { pass(LogLine(level: .warning, message: "\(omitted) lines left out: the handler said too much"), of: nil) }
    }

    private func pass(_ line: LogLine, of item: ItemID?) {
        // Once: to the job while one runs, else to the worker's own log, which would fill the disk with a noisy model's words.
        guard let listener else { return logger.log(level: Logger.Level(line.level), "\(line.message)") }
        listener.observer.log(line, of: item)
    }
}

extension Logger.Level {
    init(_ level: LogLine.Level) {
        self = switch level {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
