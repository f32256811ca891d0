import NIOCore
import ServiceLifecycle

extension GatewayContext {
    /// Runs something that waits for long, and ends it early when the client hangs up or the gateway stops.
    ///
    /// - Returns: `nil` when it was ended early and gave nothing. What it gave at the last moment is not thrown away.
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
            if let value = try await group.next() ?? nil { return value }
            group.cancelAll()
            while let result = await group.nextResult() {
                if case .success(let value?) = result { return value }
            }
            return nil
        }
    }

    /// Whether nobody is there any more to read the answer.
    func hasHungUp() async throws -> Bool {
        try await hangup()?.isOpen ?? false
    }

    private func hangup() async throws -> Latch<Void>? {
        let channel = channel
        return try await channel.eventLoop.submit {
            try? channel.pipeline.syncOperations.handler(type: ConnectionHandler.self).hangup
        }.get()
    }
}
