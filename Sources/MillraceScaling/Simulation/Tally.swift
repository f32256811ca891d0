import Foundation

/// Percentiles of a stream of times in memory that does not grow: buckets each 0.5 % wider than the one before, so that a percentile
/// is right within 0.25 %, from a millisecond to years.
public struct Tally: Sendable, Equatable {
    private static let least = 0.001
    private static let growth = log(1.005)
    private var buckets = [Int](repeating: 0, count: 5_600)
    public private(set) var count = 0
    public private(set) var sum = 0.0
    public private(set) var most = 0.0
    /// How many were below a millisecond.
    private var zeros = 0

    public init() {}

    public mutating func note(_ seconds: Double) {
        count += 1
        sum += seconds
        most = max(most, seconds)
        guard seconds >= Self.least else {
            zeros += 1
            return
        }
        buckets[min(Int(log(seconds / Self.least) / Self.growth), buckets.count - 1)] += 1
    }

    public var mean: Double { count == 0 ? 0 : sum / Double(count) }

    /// The least time that at least this share of all took at most.
    public func percentile(_ share: Double) -> Double {
        let rank = Int((Double(count) * share).rounded(.up))
        var seen = zeros
        guard rank > seen else { return 0 }
        for (index, number) in buckets.enumerated() where number > 0 {
            seen += number
            if seen >= rank { return min(most, Self.least * exp((Double(index) + 0.5) * Self.growth)) }
        }
        return most
    }

    /// The share of all that took more.
    public func share(above seconds: Double) -> Double {
        guard count > 0 else { return 0 }
        guard seconds >= Self.least else { return Double(count - zeros) / Double(count) }
        let index = Int(log(seconds / Self.least) / Self.growth)
        return Double(buckets.dropFirst(index + 1).reduce(0, +)) / Double(count)
    }
}
