import Foundation

/// Arrivals that are made up: how many jobs come in a second, over time.
public struct Workload: ArrivalSource, Sendable {
    public enum Shape: String, Sendable, CaseIterable {
        /// The same rate all the time (a Poisson process).
        case steady
        /// A day's wave, from a tenth of the mean at midnight to nearly twice of it at noon.
        case diurnal
        /// Quiet, then many jobs within seconds: groups of twenty on average, at random times.
        case bursts
        /// A tenth of the mean rate, and for ten minutes in the middle of each day, so much that the mean is right. Of less than a
        /// day there is one middle; of less than 100 minutes the flash takes a tenth.
        case flash
    }

    private let shape: Shape
    /// Mean, in jobs a second.
    private let rate: Double
    private let duration: Double
    private let inputSize: Double
    private let outputSize: Double
    private var random: SeededRandom
    private var now = 0.0
    private var leftOfBurst = 0

    /// - Parameters:
    ///   - perHour: jobs in an hour, on average.
    ///   - duration: seconds.
    ///   - outputSize: mean of the jobs' output sizes, which are exponentially distributed.
    public init(_ shape: Shape, perHour: Double, duration: Double, inputSize: Double = 500, outputSize: Double = 100, seed: UInt64) {
        self.shape = shape
        rate = max(perHour, 1e-6) / 3600
        self.duration = duration
        self.inputSize = inputSize
        self.outputSize = outputSize
        random = SeededRandom(seed: seed, stream: 11)
    }

    public mutating func next() -> Arrival? {
        guard advance(), now < duration else { return nil }
        return Arrival(
            at: now, inputSize: (inputSize * random.exponential()).rounded(.up), outputSize: (outputSize * random.exponential()).rounded(.up))
    }

    /// - Returns: whether there is another one before the end.
    private mutating func advance() -> Bool {
        if shape == .bursts {
            // Twenty jobs to a burst on average: one, and a geometric number with the mean 19. A burst and its pause take the time of twenty.
            let gap = min(0.2, 0.5 / rate)
            if leftOfBurst == 0 {
                leftOfBurst = 1 + Int(random.exponential() / log(20.0 / 19))
                now += random.exponential() * (20 / rate - 19 * gap)
            } else {
                now += random.exponential() * gap
            }
            leftOfBurst -= 1
            return true
        }
        // Thinning (Lewis and Shedler, 1979): candidates at the highest rate, of which each is taken with the share of its moment's.
        let most = highest
        while now < duration {
            now += random.exponential() / (rate * most)
            if random.fraction() * most < relative(at: now) { return true }
        }
        return false
    }

    private var highest: Double {
        switch shape {
        case .steady, .bursts: 1
        case .diurnal: 1.9
        case .flash: 0.1 + 0.9 * flash.period / flash.length
        }
    }

    private func relative(at time: Double) -> Double {
        switch shape {
        case .steady, .bursts: return 1
        case .diurnal: return 1 - 0.9 * cos(2 * .pi * time / 86_400)
        case .flash:
            let (period, length) = flash
            let fromMiddle = abs(time.truncatingRemainder(dividingBy: period) - period / 2)
            return 0.1 + (fromMiddle < length / 2 ? 0.9 * period / length : 0)
        }
    }

    /// Seconds from one flash to the next, about a day so that all are whole, and of one.
    private var flash: (period: Double, length: Double) {
        let period = duration / max(1, (duration / 86_400).rounded())
        return (period, min(600, period / 10))
    }
}
