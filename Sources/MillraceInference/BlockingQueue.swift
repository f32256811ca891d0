import Dispatch

/// Threads for calls that block or compute for long, so that Swift's cooperative pool stays free for everything else.
public struct BlockingQueue: Sendable {
    private let queue: DispatchQueue

    /// - Parameter concurrent: whether several calls may run at a time; else they run one after the other.
    public init(label: String, concurrent: Bool = false) {
        queue = DispatchQueue(label: label, attributes: concurrent ? .concurrent : [])
    }

    public func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: body)) }
        }
    }
}
