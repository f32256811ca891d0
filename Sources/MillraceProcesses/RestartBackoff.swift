import MillraceCore

/// How long to wait before a process that failed to start is started again: doubled with each failure in a row.
public struct RestartBackoff: Sendable {
    private let base: Duration
    private let max: Duration
    private var failures = 0
    private var failedAt: Timestamp?

    /// - Parameter base: the wait after the first failure.
    public init(base: Duration, max: Duration) {
        self.base = base
        self.max = max
    }

    public mutating func failed(at now: Timestamp) {
        failures += 1
        failedAt = now
    }

    public mutating func succeeded() {
        failures = 0
        failedAt = nil
    }

    /// The rest of the wait, `nil` when there is none.
    public func wait(at now: Timestamp) -> Duration? {
        guard let failedAt else { return nil }
        let rest = min(base * (1 << min(failures - 1, 20)), max) - now.since(failedAt)
        return rest > .zero ? min(rest, max) : nil
    }
}
