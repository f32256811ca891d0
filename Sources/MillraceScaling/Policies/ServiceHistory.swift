import Foundation

/// What one busy worker does.
public struct ServiceMeasure: Sendable, Codable, Equatable {
    /// Jobs that one busy worker finishes in a second.
    public var jobsPerSecond: Double
    /// Jobs that this was measured over, old ones counting less.
    public var samples: Double
    /// Variance of a job's time over the square of its mean.
    public var variation: Double

    /// What one job takes one worker.
    public var secondsPerJob: Double { 1 / jobsPerSecond }
}

/// What jobs take: a mean that remembers hundreds of them, for as long as those of now are of their kind.
///
/// They are not when the mean of the last few logarithms is more than four standard errors from what is remembered. Logarithms, since what counts is
/// how many times longer; so that one job of a hundred times the length is not a change, and a few of them are. When jobs have
/// ended so, the memory begins anew with them; it comes back when, soon after, jobs are again of the kind that it knew: somebody was late, and no
/// more. Jobs that still run are witnesses too (right-censored: what they have taken is the
/// least that they take), so that nobody has to wait for their end to see that they are long; they change what is said, not what is remembered.
struct ServiceHistory: Sendable, Codable, Equatable {
    /// Old jobs count less: each new one weighs at least one in so many.
    private static let jobsRemembered = 400.0
    private static let sizesRemembered = 61
    /// How many jobs that have ended are judged together.
    private static let windows = [4, 8, 16, 32]
    /// The square of so many standard errors is no chance.
    private static let surprise = 16.0
    /// Added to the variance of the logarithms: where all jobs were alike, one of twice the length is no other kind.
    private static let tolerance = 1.0

    private var seconds = Moments()
    private var logarithms = Moments()
    /// What recent jobs took, in seconds, and its logarithms, in a ring.
    private var sizes: [Double] = []
    private var sizeLogarithms: [Double] = []
    private var nextSize = 0
    /// What was remembered before it began anew, until so many have ended since that it was no episode.
    private var earlier: Earlier?
    private static let episodeMax = 32

    private struct Earlier: Codable, Equatable {
        var seconds: Moments
        var logarithms: Moments
        var endedSince = 0
    }

    /// Worker-seconds since a job last ended, and how many run.
    private var spent = 0.0
    private var running = 0

    // MARK: Learning

    /// - Parameter each: seconds of a worker.
    mutating func noteEnds(_ count: Int, each: Double) {
        let logarithm = logarithm(each)
        remember(each, logarithm, count: count)
        spent = 0
        if sizes.count < Self.sizesRemembered {
            sizes.append(each)
            sizeLogarithms.append(logarithm)
        } else {
            sizes[nextSize] = each
            sizeLogarithms[nextSize] = logarithm
            nextSize = (nextSize + 1) % Self.sizesRemembered
        }
        comeBack(after: count)
        // One that is like the others makes no number of them another kind.
        if isNoChance((logarithm - logarithms.mean) * Double(Self.windows.last!), of: Self.windows.last!) { forgetOtherKinds() }
    }

    /// - Parameter seconds: of all busy workers together, since the last time.
    mutating func noteBusy(_ seconds: Double, running: Int) {
        self.running = running
        spent = running > 0 ? spent + seconds : 0
    }

    private mutating func remember(_ each: Double, _ logarithm: Double, count: Int) {
        seconds.note(each, count: Double(count), remembered: Self.jobsRemembered)
        logarithms.note(logarithm, count: Double(count), remembered: Self.jobsRemembered)
    }

    private func logarithm(_ seconds: Double) -> Double { log(max(seconds, 1e-6)) }

    private mutating func forgetOtherKinds() {
        var deviation = 0.0
        var looked = 0
        // Since when they are others, most likely: where the test says most.
        var (kept, most) = (1, 0.0)
        for window in Self.windows {
            guard window < sizes.count else { return }
            while looked < window {
                deviation += sizeLogarithms[place(back: looked)] - logarithms.mean
                looked += 1
                if deviation * deviation / Double(looked) > most { (kept, most) = (looked, deviation * deviation / Double(looked)) }
            }
            if isNoChance(deviation, of: window) { return beginAnew(with: last(kept)) }
        }
    }

    private mutating func beginAnew(with kept: [Double]) {
        earlier = earlier ?? Earlier(seconds: seconds, logarithms: logarithms)
        (seconds, logarithms, nextSize) = (Moments(), Moments(), 0)
        (sizes, sizeLogarithms) = (kept, kept.map(logarithm))
        for (size, logarithm) in zip(sizes, sizeLogarithms) { remember(size, logarithm, count: 1) }
    }

    /// To what was remembered earlier, when the last jobs are as near to it as any, and far nearer than to what is remembered now.
    private mutating func comeBack(after count: Int) {
        guard var earlier else { return }
        earlier.endedSince += count
        let window = Self.windows[0]
        guard earlier.endedSince <= Self.episodeMax, sizes.count > window else { return self.earlier = earlier.endedSince > Self.episodeMax ? nil : earlier }
        func distance(_ mean: Double) -> Double { (0..<window).reduce(0) { $0 + pow(sizeLogarithms[place(back: $1)] - mean, 2) } }
        let there = distance(earlier.logarithms.mean)
        guard there <= Double(window) * (earlier.logarithms.variance + Self.tolerance), there * 4 < distance(logarithms.mean) else { return self.earlier = earlier }
        (seconds, logarithms, self.earlier) = (earlier.seconds, earlier.logarithms, nil)
        for (size, logarithm) in last(window).map({ ($0, self.logarithm($0)) }) { remember(size, logarithm, count: 1) }
    }

    private func isNoChance(_ deviation: Double, of count: Int) -> Bool {
        deviation * deviation > Self.surprise * Double(count) * (logarithms.variance + Self.tolerance)
    }

    /// Where the size is that so many came after.
    private func place(back: Int) -> Int { (nextSize - 1 - back + 2 * sizes.count) % sizes.count }

    private func last(_ count: Int) -> [Double] { (0..<count).reversed().map { sizes[place(back: $0)] } }

    // MARK: Answers

    var measure: ServiceMeasure? {
        if let sizes = longerSizes { return ServiceMeasure(mean: sizes.reduce(0, +) / Double(sizes.count), samples: Double(sizes.count), variation: 0) }
        guard seconds.weight > 0 else { return nil }
        let mean = max(seconds.mean, 1e-6)
        return ServiceMeasure(mean: mean, samples: seconds.weight, variation: seconds.variance / (mean * mean))
    }

    /// What recent jobs took, in seconds, or what those that run will.
    var recentSizes: [Double] { longerSizes ?? sizes }

    /// Where jobs that run have taken far longer than those that are remembered: they, and the last that ended.
    private var longerSizes: [Double]? {
        guard running > 0, !sizes.isEmpty else { return nil }
        // Of jobs that hold their workers for so long none has ended: each, on average, has taken this.
        let least = spent / Double(running)
        let excess = logarithm(least) - logarithms.mean
        guard excess > 0 else { return nil }
        var deviation = excess * Double(running)
        for ended in 0..<min(Self.windows[0], sizes.count) {
            if ended > 0 { deviation += sizeLogarithms[place(back: ended - 1)] - logarithms.mean }
            guard deviation > 0, isNoChance(deviation, of: running + ended) else { continue }
            // Somewhere on their way; half of it, as far as anybody knows.
            return last(ended) + [Double](repeating: 2 * least, count: running)
        }
        return nil
    }
}

extension ServiceMeasure {
    fileprivate init(mean: Double, samples: Double, variation: Double) {
        self.init(jobsPerSecond: 1 / max(mean, 1e-6), samples: samples, variation: variation)
    }
}
