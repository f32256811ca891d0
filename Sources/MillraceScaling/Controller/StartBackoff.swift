import MillraceCore

/// Keeps a fleet in which starting goes wrong from starting again and again without a pause.
public struct StartBackoff: Sendable, Codable, Equatable {
    private var failures = 0
    private var notBefore: Timestamp?

    public init() {}

    /// How many starts have failed since the last good one.
    public var failuresInRow: Int { failures }

    /// When a new worker may be started; `nil`: now.
    public func waitsUntil(_ now: Timestamp) -> Timestamp? {
        // Further ahead than it ever is: the clock was set back.
        notBefore.flatMap { $0 > now && $0 <= now + Self.longest ? $0 : nil }
    }

    /// - Parameter longest: the pause is no longer than this.
    public mutating func failed(at now: Timestamp, longest: Duration = Self.longest) {
        failures += 1
        notBefore = now + min(.seconds(1) * (1 << min(failures - 1, 6)), longest)
    }

    /// Waits no longer, but if the next one fails as well, longer than before.
    public mutating func skipPause() { notBefore = nil }

    public mutating func succeeded() {
        self = StartBackoff()
    }

    public static let longest: Duration = .seconds(60)
    /// Workers that become ready may do some work before they die.
    public static let longestOfReady: Duration = .seconds(8)
}
