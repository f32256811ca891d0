import Foundation

/// How long a worker needs for a batch.
public struct ServiceModel: Sendable, Equatable {
    /// Seconds for a batch of one job without any tokens.
    public var base: Double
    public var perInputToken: Double
    public var perOutputToken: Double
    /// Measured: seconds by batch size, ascending. Between two sizes the line that joins them. Empty: jobs of a batch add up.
    public var byBatchSize: [(size: Int, seconds: Double)]
    /// What the jobs of these measurements take on average by the durations or tokens that are known of them, in seconds;
    /// `nil`: `base`. Only how a job compares with it matters.
    public var meanWork: Double?
    /// Deviation of the logarithm of what a job takes; 0: none.
    public var noise: Double

    public init(
        base: Double, perInputToken: Double = 0, perOutputToken: Double = 0, byBatchSize: [(size: Int, seconds: Double)] = [],
        meanWork: Double? = nil, noise: Double = 0
    ) {
        self.base = base
        self.perInputToken = perInputToken
        self.perOutputToken = perOutputToken
        self.byBatchSize = byBatchSize.sorted { $0.size < $1.size }
        self.meanWork = meanWork
        self.noise = noise
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.base == right.base && left.perInputToken == right.perInputToken && left.perOutputToken == right.perOutputToken
            && left.meanWork == right.meanWork && left.noise == right.noise && left.byBatchSize.elementsEqual(right.byBatchSize) { $0 == $1 }
    }

    /// The mean of `arrivals`, each of which is read once: what `meanWork` is to be where batches were measured with such jobs.
    public func meanWork(of arrivals: any ArrivalSource) throws -> Double? {
        var arrivals = arrivals
        var (count, sum) = (0.0, 0.0)
        while let arrival = try arrivals.next() {
            count += 1
            sum += plainWork(of: arrival)
        }
        return sum > 0 ? sum / count : nil
    }

    private func plainWork(of arrival: Arrival) -> Double {
        arrival.work ?? base + perInputToken * arrival.inputSize + perOutputToken * arrival.outputSize
    }

    /// What this job alone takes, known when it arrives.
    func work(of arrival: Arrival, _ random: inout SeededRandom) -> Double {
        let plain = plainWork(of: arrival)
        return noise == 0 ? plain : plain * exp(noise * random.normal() - noise * noise / 2)
    }

    /// - Parameters:
    ///   - count: jobs in the batch.
    ///   - work: what they would take one after the other.
    func seconds(count: Int, work: Double) -> Double {
        guard let first = byBatchSize.first, let last = byBatchSize.last else { return work }
        // The measurement is of mean jobs; longer ones take longer in the same proportion.
        let scale = work / (Double(count) * max(meanWork ?? base, 1e-9))
        guard count > first.size else { return first.seconds * scale }
        guard count < last.size else { return last.seconds * Double(count) / Double(last.size) * scale }
        let upper = byBatchSize.firstIndex { $0.size >= count }!
        let (low, high) = (byBatchSize[upper - 1], byBatchSize[upper])
        let share = Double(count - low.size) / Double(high.size - low.size)
        return (low.seconds + share * (high.seconds - low.seconds)) * scale
    }
}
