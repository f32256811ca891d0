import Foundation

/// How long something takes, in seconds.
public enum TimeDistribution: Sendable, Codable, Equatable {
    case fixed(Double)
    case uniform(Double, Double)
    /// By its mean and the deviation of its logarithm.
    case lognormal(mean: Double, sigma: Double)
    case exponential(mean: Double)

    public var mean: Double {
        switch self {
        case .fixed(let value): value
        case .uniform(let low, let high): (low + high) / 2
        case .lognormal(let mean, _), .exponential(let mean): mean
        }
    }

    func draw(_ random: inout SeededRandom) -> Double {
        switch self {
        case .fixed(let value): value
        case .uniform(let low, let high): low + (high - low) * random.fraction()
        case .lognormal(let mean, let sigma): mean * exp(sigma * random.normal() - sigma * sigma / 2)
        case .exponential(let mean): mean * random.exponential()
        }
    }
}
