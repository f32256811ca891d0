import Foundation
import MillraceCore

/// What each further worker would have been good for, learned from the jobs that came.
///
/// For each of some fleet sizes a shadow fleet of that many workers, always there, is given the same arrivals (with sizes of
/// recent jobs), and it is noted whose jobs would have waited longer than the target. A job that waits too long with one worker
/// less is a *need* of that worker. From the needs come, level by level: how long the gaps between them are, how many jobs miss
/// the target when the worker must start first, and how many when it does not come at all.
struct LearnedLevels: Sendable, Codable, Equatable {
    struct Level: Sendable, Codable, Equatable {
        /// Workers of the shadow fleet.
        var workers: Int
        /// When each of them is free, in seconds.
        var freeAt: [Double]
        /// Jobs that this level's last worker saves from a miss: the last window of needs, and averages.
        var needUntil = -Double.infinity.nextUp
        var gaps = GapHistory()
        var windowBegan = -1e18
        var windowMisses = 0.0
        var missesPerStart = Moments()
        var needMisses = 0.0
        var missesPerNeed = Moments()
        /// Saved jobs, fading, over each scale.
        var saved: [Double]
    }

    static let scaleCount = 5
    private(set) var levels: [Level]
    let max: Int
    let target: Double
    private(set) var price: Double
    private var arrivalsSeen: Int
    private var sizeIndex = 0
    private var updatedAt: Double
    private var judged = 0.0
    private var pending: RecentArrivals
    var missShare = Moments()

    init(max: Int, target: Double, price: Double, arrivalsSeen: Int, at now: Double) {
        self.max = max
        self.target = target
        self.price = price
        self.arrivalsSeen = arrivalsSeen
        updatedAt = now
        pending = RecentArrivals(span: target, at: now)
        levels = Self.sizes(upTo: max).map {
            Level(workers: $0, freeAt: [Double](repeating: -1e18, count: $0), saved: [Double](repeating: 0, count: Self.scaleCount))
        }
        for index in levels.indices { levels[index].needUntil = -1e18 }
    }

    /// Each size up to 8, then steps of about an eighth.
    private static func sizes(upTo max: Int) -> [Int] {
        var sizes: [Int] = []
        var size = 1
        while size < max, sizes.count < 40 {
            sizes.append(size)
            size += Swift.max(1, size / 6)
        }
        sizes.append(max)
        return sizes
    }

    static func scale(_ index: Int, _ startup: Double) -> Double { startup * pow(4, Double(index)) }

    /// Takes in what came since the last time.
    mutating func update(_ observation: VariantObservation, startup: Double, constants: TargetWaitPolicy.Constants) {
        let now = Double(observation.now.milliseconds) / 1000
        let passed = Swift.max(0, now - updatedAt)
        let new = observation.demand.arrivals - arrivalsSeen
        arrivalsSeen = observation.demand.arrivals
        updatedAt = now
        if passed > 0 {
            for scale in 0..<Self.scaleCount {
                let fade = exp(-passed / Self.scale(scale, startup))
                for index in levels.indices { levels[index].saved[scale] *= fade }
            }
        }
        let sizes = observation.demand.sizes
        for _ in 0..<Swift.max(0, new) where !sizes.isEmpty {
            sizeIndex = (sizeIndex + 1) % sizes.count
            arrive(now, size: sizes[sizeIndex], startup, constants)
        }
        learnPrice(observation, new: Swift.max(0, new), now: now, startup: startup, constants: constants)
    }

    private mutating func arrive(_ now: Double, size: Double, _ startup: Double, _ constants: TargetWaitPolicy.Constants) {
        // Nobody at all: every job is missed until a worker has started.
        var missedBelow = true
        var needUntilBelow = -1e18
        for index in levels.indices {
            // The worker that is free first takes it.
            let first = levels[index].freeAt.indices.min { levels[index].freeAt[$0] < levels[index].freeAt[$1] }!
            let begins = Swift.max(levels[index].freeAt[first], now)
            levels[index].freeAt[first] = begins + size
            let missed = begins - now > target
            if missedBelow, !missed { noteNeed(index, now, needUntilBelow, startup) }
            if index == 0 { levels[0].needUntil = Swift.max(levels[0].needUntil, levels[0].freeAt[0]) }
            needUntilBelow = (levels[index].freeAt.min() ?? now) - target
            missedBelow = missed
        }
    }

    /// A job that this level's worker saves.
    private mutating func noteNeed(_ index: Int, _ now: Double, _ until: Double, _ startup: Double) {
        for scale in 0..<Self.scaleCount { levels[index].saved[scale] += 1 }
        if levels[index].needUntil > -1e17, now > levels[index].needUntil {
            levels[index].gaps.note(now - levels[index].needUntil)
            if levels[index].needMisses > 0 { levels[index].missesPerNeed.note(levels[index].needMisses, count: 1, remembered: 16) }
            levels[index].needMisses = 0
        }
        levels[index].needMisses += 1
        if now > levels[index].windowBegan + startup {
            if levels[index].windowMisses > 0 { levels[index].missesPerStart.note(levels[index].windowMisses, count: 1, remembered: 16) }
            levels[index].windowMisses = 0
            levels[index].windowBegan = now
        }
        levels[index].windowMisses += 1
        levels[index].needUntil = Swift.max(levels[index].needUntil, index == 0 ? now : Swift.max(now, until))
    }

    /// What it is worth to save one job from a miss, in worker-seconds, so that in the long run one job in twenty misses.
    private mutating func learnPrice(
        _ observation: VariantObservation, new: Int, now: Double, startup: Double, constants: TargetWaitPolicy.Constants
    ) {
        let (due, missed) = pending.note(new, waiting: observation.ready, at: now)
        guard due > 0 else { return }
        judged += due
        missShare.note(missed / due, count: due, remembered: 1000)
        let rate = Swift.max(constants.rateMin, Swift.min(constants.rateMax, constants.rateJobs / judged))
        let priceMax = constants.priceCap * startup * Swift.max(1, startup / Swift.max(target, 0.001))
        price = Swift.min(priceMax, Swift.max(constants.priceMin, price * exp(rate * (missed - constants.missShare * due))))
    }
}

/// Lengths of gaps, in bins of half an octave from a tenth of a second on, old ones fading.
struct GapHistory: Sendable, Codable, Equatable {
    private static let least = 0.1
    private static let count = 44
    private static let fade = 1 - 1 / 256.0
    private var weights = [Double](repeating: 0, count: Self.count)
    private var sums = [Double](repeating: 0, count: Self.count)
    private(set) var total = 0.0

    mutating func note(_ gap: Double) {
        let index = gap <= Self.least ? 0 : Swift.min(Self.count - 1, Int(2 * log2(gap / Self.least)))
        for other in weights.indices {
            weights[other] *= Self.fade
            sums[other] *= Self.fade
        }
        total = total * Self.fade + 1
        weights[index] += 1
        sums[index] += gap
    }

    /// How long to wait for the next need, when waiting costs 1 a second and not being there costs so much: the wait that would
    /// have been best over the gaps that were. While few are known, as long as not being there costs: at most twice the best.
    func patience(cost: Double) -> Double {
        var best = Double.infinity
        var patience = 0.0
        // Gaps as good as known before any was seen: evenly over the octaves around the cost.
        let prior = 2.0
        var passedWeight = 0.0
        var passedSum = 0.0
        let all = total + prior
        for index in -1..<Self.count {
            let limit = index < 0 ? 0 : Self.least * pow(2, Double(index + 1) / 2)
            if index >= 0 {
                passedWeight += weights[index]
                passedSum += sums[index]
            }
            // The prior's gap is one of the ski rental's adversary: it ends just after twice the cost.
            let priorCost = limit < cost ? limit + cost * 1.0 : cost * 1.0
            let expected = passedSum + (total - passedWeight) * (limit + cost) + prior * priorCost
            if expected < best * 0.999 {
                best = expected
                patience = limit
            }
        }
        _ = all
        return patience
    }
}

/// Which of the jobs of the last time still wait: those that came before it and do are misses.
struct RecentArrivals: Sendable, Codable, Equatable {
    private static let bins = 32
    private let width: Double
    private var counts: [Int]
    private var head: Int64

    init(span: Double, at now: Double) {
        width = Swift.max(span, 0.01) / Double(Self.bins)
        counts = [Int](repeating: 0, count: Self.bins)
        head = Int64(now / width)
    }

    /// - Returns: how many jobs reached the end of the span, and how many of them still wait.
    mutating func note(_ new: Int, waiting: Int, at now: Double) -> (due: Double, missed: Double) {
        let bin = Int64(now / width)
        var due = 0
        var steps = bin - head
        if steps > 0 {
            if steps > Int64(Self.bins) {
                due = counts.reduce(0, +)
                counts = [Int](repeating: 0, count: Self.bins)
                steps = 0
            }
            for step in 0..<steps {
                let index = Int((head + 1 + step) % Int64(Self.bins))
                due += counts[index]
                counts[index] = 0
            }
            head = bin
        }
        // Waiting jobs are the youngest: those beyond the ones that are not due yet are overdue.
        let young = counts.reduce(0, +)
        counts[Int(bin % Int64(Self.bins))] += new
        let overdue = Swift.max(0, waiting - young - new)
        return (Double(due), Double(Swift.min(due, overdue)))
    }
}
