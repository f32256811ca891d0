import MillraceCore

/// How long to wait before a handler that failed to start is started again: doubled with each failure in a row.
struct RestartBackoff {
    private let base: Duration
    private let max: Duration
    private var failures = 0
    private var failedAt: Timestamp?

    init(_ limits: ProcessRunnerLimits) {
        base = limits.restartBackoffBase
        max = limits.restartBackoffMax
    }

    mutating func failed(at now: Timestamp) {
        failures += 1
        failedAt = now
    }

    mutating func succeeded() {
        failures = 0
        failedAt = nil
    }

    /// The rest of the wait, `nil` when there is none.
    func wait(at now: Timestamp) -> Duration? {
        guard let failedAt else { return nil }
        let rest = min(base * (1 << min(failures - 1, 20)), max) - now.since(failedAt)
        return rest > .zero ? min(rest, max) : nil
    }
}
