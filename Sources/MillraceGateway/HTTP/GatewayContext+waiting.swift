import MillraceEventLoops
import NIOCore
import ServiceLifecycle

extension GatewayContext {
    /// Runs something that waits for long, and ends it early when the client hangs up or the gateway stops.
    ///
    /// - Returns: `nil` when it was ended early and gave nothing. What it gave at the last moment is not thrown away.
    func waiting<Value: Sendable>(_ operation: @escaping @Sendable () async throws -> Value) async throws -> Value? {
        let hangup = try await hangup()
        // Unstructured: what ends it early are calls from outside of any task. It is awaited below.
        let task = Task(executorPreference: EventLoopExecutor(channel.eventLoop)) { try await operation() }
        let watch = hangup?.whenOpen { task.cancel() }
        defer { if let watch { hangup?.forget(watch) } }
        do {
            return try await withTaskCancellationHandler {
                try await withGracefulShutdownHandler {
                    try await task.value
                } onGracefulShutdown: {
                    task.cancel()
                }
            } onCancel: {
                task.cancel()
            }
        } catch is CancellationError where task.isCancelled {
            try Task.checkCancellation()
            return nil
        }
    }

    /// Whether nobody is there any more to read the answer.
    func hasHungUp() async throws -> Bool {
        try await hangup()?.isOpen ?? false
    }

    private func hangup() async throws -> Latch<Void>? {
        let channel = channel
        func find() -> Latch<Void>? { try? channel.pipeline.syncOperations.handler(type: ConnectionHandler.self).hangup }
        return channel.eventLoop.inEventLoop ? find() : try await channel.eventLoop.submit { find() }.get()
    }
}
