import MillraceCore

/// Keeps a worker that dies before it is ready from being started again and again without a pause.
public struct StartBackoff: Sendable, Equatable {
    private var failures = 0
    private var notBefore: Timestamp?

    public init() {}

    /// How many starts have failed since the last good one.
    public var failuresInRow: Int { failures }

    /// When a new worker may be started; `nil`: now.
    public func waitsUntil(_ now: Timestamp) -> Timestamp? {
        notBefore.flatMap { $0 > now ? $0 : nil }
    }

    public mutating func failed(at now: Timestamp) {
        failures += 1
        notBefore = now + min(.seconds(1) * (1 << min(failures - 1, 6)), .seconds(60))
    }

    public mutating func succeeded() {
        self = StartBackoff()
    }
}
