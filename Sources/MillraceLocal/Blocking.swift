import Dispatch

/// Runs file work that may block on threads of its own, so that the cooperative pool (two threads on a small machine)
/// stays free for heartbeats.
enum Blocking {
    private static let queue = DispatchQueue(label: "millrace.files", attributes: .concurrent)

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
