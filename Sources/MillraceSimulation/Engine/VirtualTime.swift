import MillraceCore
import MillraceTestSupport
import Synchronization

/// The one true time of a simulation: whole milliseconds since its beginning. It moves only from event to event.
final class VirtualTime: Sendable {
    private let milliseconds = Atomic<Int64>(0)

    var now: Int64 { milliseconds.load(ordering: .relaxed) }

    func move(to time: Int64) {
        precondition(time >= now, "time runs forwards")
        milliseconds.store(time, ordering: .relaxed)
    }
}

/// What one machine takes for the time: the true time and an offset that somebody may set.
final class MachineClock: Sendable {
    /// 2026-01-01T00:00:00Z.
    private static let epoch: Int64 = 1_767_225_600_000

    private let time: VirtualTime
    private let offset: Atomic<Int64>
    private let random: Mutex<SplitMix64>

    init(_ time: VirtualTime, offset: Int64 = 0, seed: UInt64) {
        self.time = time
        self.offset = Atomic(offset)
        random = Mutex(SplitMix64(seed: seed))
    }

    var now: Timestamp { Timestamp(milliseconds: Self.epoch + time.now + offset.load(ordering: .relaxed)) }

    func step(by milliseconds: Int64) {
        offset.add(milliseconds, ordering: .relaxed)
    }

    /// Nothing in a simulation sleeps: waiting is an event. What would wait is ended.
    var surroundings: Surroundings {
        Surroundings(
            now: { self.now }, sleep: { _ in throw CancellationError() }, random: { self.random.withLock { $0.next() } })
    }
}
