import Logging
import MillraceCore
import MillraceInference
import MillraceWire
import NIOCore
import NIOPosix
import Subprocess
import SystemPackage

/// A handler's process with its socket: launched once, gone once.
final class HandlerProcess: Sendable {
    private let loop: any EventLoop
    private let life: NIOLoopBound<HandlerLife>
    private let ready: EventLoopFuture<Int>
    /// The process outlives the call that launched it, so its task is nobody's child; ``untilGone()`` waits for it.
    private let existence: Task<Void, Never>

    private init(loop: any EventLoop, life: NIOLoopBound<HandlerLife>, ready: EventLoopFuture<Int>, existence: Task<Void, Never>) {
        self.loop = loop
        self.life = life
        self.ready = ready
        self.existence = existence
    }

    /// Makes the socket and starts the process.
    /// - Throws: when there is no socket; a process that does not start is told by ``untilReady()``.
    static func launch(
        _ configuration: ProcessRunnerConfiguration, logger: Logger, surroundings: Surroundings
    ) async throws -> HandlerProcess {
        let launch = try HandlerLaunch(configuration)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let (signals, signaller) = AsyncStream<HandlerSession.Signal>.makeStream()
        let waiters = HandlerLife.Waiters(ready: loop.makePromise(), gone: loop.makePromise())
        let life = try await loop.submit {
            NIOLoopBound(
                HandlerLife(
                    limits: configuration.limits, requires: configuration.requires, loop: loop, logger: logger, surroundings: surroundings,
                    waiters: waiters, signals: signaller), eventLoop: loop)
        }.get()
        let socket: HandlerSocket
        do {
            socket = try await .listen(in: configuration.temporaryDirectory, for: life, on: loop)
        } catch {
            waiters.fail(error)
            throw error
        }
        loop.execute { life.value.start() }
        // Unstructured: the process lives as long as this object, which waits for it in `close`.
        let existence = Task {
            let status = await run(launch.subprocess(socketPath: socket.path), signals: signals, signaller: signaller, life: life, loop: loop)
            loop.execute { life.value.exited(status) }
            try? await waiters.gone.futureResult.get()
            await socket.close()
        }
        return HandlerProcess(loop: loop, life: life, ready: waiters.ready.futureResult, existence: existence)
    }

    /// Waits for the model to be loaded, and answers how many items a batch may have. When the task is cancelled only
    /// the wait ends; the start goes on.
    /// - Throws: ``JobFailure`` `model_unavailable` when it cannot be.
    func untilReady() async throws -> Int {
        let answer = loop.makePromise(of: Int.self)
        ready.cascade(to: answer)
        return try await withTaskCancellationHandler {
            try await answer.futureResult.get()
        } onCancel: {
            answer.fail(CancellationError())
        }
    }

    /// Ends a handler that has not loaded its model yet.
    /// - Returns: false when it has by now, and lives.
    func abandonStart() async -> Bool {
        loop.execute { self.life.value.abandon() }
        do {
            _ = try await ready.get()
            return false
        } catch {
            return true
        }
    }

    /// Runs a batch. When the task is cancelled the process is ended.
    /// - Parameter stopping: items that were asked to stop before the handler knew them.
    func run(
        _ items: [RunnerWorkMessage.Item], observer: any ItemObserver,
        stopping: @escaping @Sendable () -> [ItemID: CancellationReason]
    ) async throws -> BatchEnd {
        let (checkpoints, continuation) = AsyncStream<HandlerControlMessage.Checkpoint>.makeStream()
        let end = loop.makePromise(of: BatchEnd.self)
        loop.execute { [life] in
            life.value.run(items, for: .init(observer: observer, checkpoints: continuation, end: end))
            for (item, reason) in stopping() { life.value.cancel(item, reason: reason) }
        }
        let workdirs = Dictionary(items.map { ($0.item, $0.workdir) }, uniquingKeysWith: { first, _ in first })
        async let storing: Void = store(checkpoints, observer: observer, workdirs: workdirs)
        let result = try await withTaskCancellationHandler {
            try await end.futureResult.get()
        } onCancel: {
            loop.execute { self.life.value.abandon() }
        }
        await storing
        return result
    }

    private func store(
        _ checkpoints: AsyncStream<HandlerControlMessage.Checkpoint>, observer: any ItemObserver, workdirs: [ItemID: String]
    ) async {
        for await checkpoint in checkpoints {
            var answer = RunnerControlMessage.Checkpointed(item: checkpoint.item, seq: checkpoint.seq, ok: true)
            do {
                let path = try HandlerFiles.resolve(checkpoint.path, under: workdirs[checkpoint.item] ?? "")
                try await observer.checkpoint(path: path, position: checkpoint.position ?? .null, of: checkpoint.item)
            } catch {
                answer.ok = false
                answer.message = (error as? JobFailure)?.message ?? (error as? MillraceError)?.message ?? "\(error)"
            }
            loop.execute { [life, answer] in life.value.stored(answer) }
        }
    }

    func cancel(_ item: ItemID, reason: CancellationReason) {
        loop.execute { self.life.value.cancel(item, reason: reason) }
    }

    /// Asks the handler to exit, waits, and ends it if it does not.
    func shutdown() async {
        loop.execute { self.life.value.shutdown() }
        await untilGone()
    }

    /// Waits until the process and everything of it is gone.
    func untilGone() async {
        await existence.value
    }

    // MARK: The process

    private static func run(
        _ configuration: Subprocess.Configuration, signals: AsyncStream<HandlerSession.Signal>,
        signaller: AsyncStream<HandlerSession.Signal>.Continuation, life: NIOLoopBound<HandlerLife>, loop: any EventLoop
    ) async -> HandlerExit.Status {
        do {
            let result = try await Subprocess.run(
                configuration, input: .none, output: .sequence, error: .sequence
            ) { execution in
                await withTaskGroup { group in
                    group.addTask { await read(execution.standardOutput, .output, life: life, loop: loop) }
                    group.addTask { await read(execution.standardError, .error, life: life, loop: loop) }
                    group.addTask {
                        for await signal in signals { try? execution.send(signal: signal.signal, toProcessGroup: true) }
                    }
                    // Signal 0 does nothing, so this tear-down is a wait for the exit: the one way that Subprocess
                    // has to wait for it inside the body, where the process is not reaped yet.
                    await execution.teardown(using: [.send(signal: Signal(rawValue: 0), allowedDurationToNextStep: .seconds(10 * 365 * 86_400))])
                    // Its number is still its own, so this reaches what it left behind and nobody else.
                    try? execution.send(signal: .kill, toProcessGroup: true)
                    signaller.finish()
                }
            }
            return switch result.terminationStatus {
            case .exited(let code): .exited(code)
            case .signaled(let number): .signaled(number)
            }
        } catch {
            signaller.finish()
            return .notStarted("\(error)")
        }
    }

    private static func read(
        _ output: SubprocessOutputSequence, _ stream: HandlerStream, life: NIOLoopBound<HandlerLife>, loop: any EventLoop
    ) async {
        do {
            for try await buffer in output {
                let bytes = buffer.withUnsafeBytes { Array($0) }
                // Waited for, so that a handler that writes faster than it is read has to wait too.
                try await loop.submit { life.value.wrote(bytes, to: stream) }.get()
            }
        } catch {
            // The pipe is gone; the exit says the rest.
        }
    }
}

extension HandlerSession.Signal {
    var signal: Signal {
        switch self {
        case .terminate: .terminate
        case .kill: .kill
        }
    }
}
