import MillraceCore

/// A token bucket for log lines: a burst of five seconds' worth, then so many a second.
public struct LineRate: Sendable {
    private let linesPerSecond: Double
    private let burst: Double
    private var tokens: Double
    private var refilledAt: Timestamp?
    public private(set) var omitted = 0

    public init(linesPerSecond: Int) {
        self.linesPerSecond = Double(linesPerSecond)
        burst = 5 * Double(linesPerSecond)
        tokens = burst
    }

    /// Whether a line may pass now; one that may not is counted.
    public mutating func admits(at now: Timestamp) -> Bool {
        if let refilledAt { tokens = min(burst, tokens + max(0, now.since(refilledAt).seconds) * linesPerSecond) }
        refilledAt = now
        guard tokens >= 1 else {
            omitted += 1
            return false
        }
        tokens -= 1
        return true
    }

    /// How many lines were left out since this was asked last.
    public mutating func takeOmitted() -> Int {
        defer { omitted = 0 }
        return omitted
    }
}
