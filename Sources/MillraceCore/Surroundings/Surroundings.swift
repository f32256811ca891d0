import Foundation

/// What the engine takes from outside: time, waiting and randomness.
///
/// Everything that decides gets these by value, so that a test or the simulator can run the same code with its own
/// clock and a seed. ``system`` is the only place in the product that reads the machine's clock or random generator.
public struct Surroundings: Sendable {
    /// Wall-clock time.
    public var now: @Sendable () -> Timestamp
    /// Suspends for a time; throws `CancellationError` when the task is cancelled.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// 64 random bits, fit for identifiers and tokens.
    public var random: @Sendable () -> UInt64

    public init(
        now: @escaping @Sendable () -> Timestamp,
        sleep: @escaping @Sendable (Duration) async throws -> Void,
        random: @escaping @Sendable () -> UInt64
    ) {
        self.now = now
        self.sleep = sleep
        self.random = random
    }

    public static let system = Surroundings(
        now: { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) },
        sleep: { try await Alarms.shared.sleep(for: $0) },
        random: { RandomWords.system.next() })

    /// Nanoseconds of wall-clock time since 1970, for measuring across processes of one machine.
    public static let wallNanoseconds: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Time that no correction of the clock moves, for a thread of this process that waits for another.
    public static let monotonic: @Sendable () -> ContinuousClock.Instant = { .now }

    /// A new identifier of any kind.
    public func makeID<Kind>(_ kind: Kind.Type = Kind.self) -> Identifier<Kind> {
        Identifier(at: now(), random: (random(), random()))
    }

    /// A number from 0 up to, not including, 1.
    public func fraction() -> Double {
        Double(random() >> 11) * 0x1p-53
    }
}
