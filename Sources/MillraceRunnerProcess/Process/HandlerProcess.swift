import Logging
import MillraceCore
import MillraceInference
import MillraceProcesses
import MillraceWire
import NIOCore
import NIOPosix

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
        let (signals, signaller) = AsyncStream<ChildProcess.Signal>.makeStream()
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
            let status = await ChildProcess.run(launch.command(socketPath: socket.path), signals: signals) { bytes, stream in
                try? await loop.submit { life.value.wrote(bytes, to: stream) }.get()
            }
            signaller.finish()
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
}
