import NIOCore
import ServiceLifecycle

extension GatewayContext {
    /// Runs something that waits for long, and ends it early when the client hangs up or the gateway stops.
    ///
    /// - Returns: `nil` when it was ended early.
    func waiting<Value: Sendable>(_ operation: @escaping @Sendable () async throws -> Value) async throws -> Value? {
        let hangup = try await hangup()
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await operation() }
            group.addTask {
                try await gracefulShutdown()
                return nil
            }
            if let hangup {
                group.addTask {
                    try await hangup.value()
                    return nil
                }
            }
            return try await group.next() ?? nil
        }
    }

    private func hangup() async throws -> Latch<Void>? {
        let channel = channel
        return try await channel.eventLoop.submit {
            try? channel.pipeline.syncOperations.handler(type: ConnectionHandler.self).hangup
        }.get()
    }
}
