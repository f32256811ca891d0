import Foundation
import MillraceCore

/// What came and what it took, of one variant: a bounded value that the controller and the simulator both feed, and that is kept
/// across restarts.
public struct DemandHistory: Sendable, Codable, Equatable {
    /// Seconds over which arrivals are averaged, from a quarter of a minute to a week.
    static let scales: [Double] = [15, 60, 240, 960, 3840, 14_400, 86_400, 604_800]
    /// Old starts count less: each new one weighs at least one in so many.
    private static let startsRemembered = 12.0

    /// Jobs that became ready, ever.
    public private(set) var arrivals = 0
    /// For each scale, the arrivals of that time, fading.
    private var faded = [Double](repeating: 0, count: scales.count)
    private var fadedAt: Timestamp?
    private var beganAt: Timestamp?
    private var jobs = ServiceHistory()
    private var start = Moments()

    public init() {}

    /// Jobs became ready to run.
    public mutating func noteArrivals(_ count: Int, at now: Timestamp) {
        guard count > 0 else { return }
        let passed = fadedAt.map { max(0, now.since($0).seconds) } ?? 0
        for index in faded.indices {
            faded[index] = faded[index] * exp(-passed / Self.scales[index]) + Double(count)
        }
        fadedAt = now
        if beganAt == nil { beganAt = now }
        arrivals += count
    }

    /// Jobs ended.
    /// - Parameter busy: the time of workers that they took, all together. A worker that runs several at a time has its time shared.
    public mutating func noteCompletions(_ count: Int, busy: Duration, at now: Timestamp) {
        guard count > 0 else { return }
        jobs.noteEnds(count, each: max(busy.seconds, 0) / Double(count))
    }

    /// Workers were busy, whether or not a job has ended. Noted before the jobs that ended in the same time.
    /// - Parameters:
    ///   - busy: the time of workers since the last time, all together.
    ///   - running: jobs that run now.
    public mutating func noteBusy(_ busy: Duration, running: Int) {
        jobs.noteBusy(max(busy.seconds, 0), running: running)
    }

    /// A worker became ready.
    /// - Parameter took: since it was wanted.
    public mutating func noteStart(took: Duration) {
        start.note(max(took.seconds, 0), count: 1, remembered: Self.startsRemembered)
    }

    public var service: ServiceMeasure? { jobs.measure }

    /// What recent jobs took a worker, in seconds.
    var sizes: [Double] { jobs.recentSizes }

    public var startup: Duration? {
        start.weight > 0 ? .milliseconds(Int64((start.mean * 1000).rounded())) : nil
    }

    /// Over about the last week, or since the first.
    func meanArrivalsPerSecond(at now: Timestamp) -> Double {
        let (count, scale) = arrivals(overAtLeast: .infinity, at: now)[0]
        let age = beganAt.map { max(0, now.since($0).seconds) } ?? 0
        return (count + 1) / (scale * (1 - exp(-age / scale)) + 1)
    }

    /// Arrivals of about the last so many seconds, fading, for each scale that is kept from this length on; the longest in any case.
    func arrivals(overAtLeast seconds: Double, at now: Timestamp) -> [(count: Double, seconds: Double)] {
        let passed = fadedAt.map { max(0, now.since($0).seconds) } ?? 0
        return Self.scales.indices.compactMap { index in
            guard Self.scales[index] >= seconds || index == Self.scales.count - 1 else { return nil }
            return (faded[index] * exp(-passed / Self.scales[index]), Self.scales[index])
        }
    }
}

/// Mean and variance that follow changes: a plain average at first, a fading one later.
struct Moments: Sendable, Codable, Equatable {
    private(set) var weight = 0.0
    private(set) var mean = 0.0
    private(set) var variance = 0.0

    mutating func note(_ value: Double, count: Double, remembered: Double) {
        weight = min(weight + count, remembered)
        let share = min(1, count / weight)
        let difference = value - mean
        mean += share * difference
        variance = (1 - share) * (variance + share * difference * difference)
    }
}
