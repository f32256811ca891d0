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
        var neededAt = -1e18
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
    private let beganAt: Double
    private var pending: RecentArrivals
    var missShare = Moments()
    private var hasCaughtUp = false

    init(max: Int, target: Double, price: Double, arrivalsSeen: Int, at now: Double) {
        self.max = max
        self.target = target
        self.price = price
        self.arrivalsSeen = arrivalsSeen
        updatedAt = now
        beganAt = now
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
        if observation.ready + observation.running == 0 { forgive(now + target + 8 * Swift.max(startup, observation.service?.secondsPerJob ?? 0)) }
        let sizes = observation.demand.sizes
        for _ in 0..<Swift.max(0, new) where !sizes.isEmpty {
            sizeIndex = (sizeIndex + 1) % sizes.count
            arrive(now, size: sizes[sizeIndex], startup, constants)
        }
        learnPrice(observation, new: Swift.max(0, new), now: now, startup: startup, constants: constants)
    }

    /// The real fleet has nothing to do: no shadow fleet is further behind than this.
    private mutating func forgive(_ latest: Double) {
        for index in levels.indices where (levels[index].freeAt.last ?? 0) > latest || levels[index].freeAt[0] > latest {
            for place in levels[index].freeAt.indices { levels[index].freeAt[place] = Swift.min(levels[index].freeAt[place], latest) }
        }
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
            if missedBelow, !missed { noteNeed(index, now, needUntilBelow, Swift.max(0, startup - target)) }
            if index == 0 { levels[0].needUntil = Swift.max(levels[0].needUntil, levels[0].freeAt[0]) }
            needUntilBelow = (levels[index].freeAt.min() ?? now) - target
            missedBelow = missed
        }
    }

    /// A job that this level's worker saves.
    private mutating func noteNeed(_ index: Int, _ now: Double, _ until: Double, _ window: Double) {
        for scale in 0..<Self.scaleCount { levels[index].saved[scale] += 1 }
        if levels[index].needUntil > -1e17, now > levels[index].needUntil {
            levels[index].gaps.note(now - levels[index].needUntil)
            if levels[index].needMisses > 0 { levels[index].missesPerNeed.note(levels[index].needMisses, count: 1, remembered: 16) }
            levels[index].needMisses = 0
        }
        levels[index].needMisses += 1
        levels[index].neededAt = now
        if now > levels[index].windowBegan + window {
            if levels[index].windowMisses > 0 { levels[index].missesPerStart.note(levels[index].windowMisses, count: 1, remembered: 16) }
            levels[index].windowMisses = 0
            levels[index].windowBegan = now
        }
        levels[index].windowMisses += 1
        levels[index].needUntil = Swift.max(levels[index].needUntil, index == 0 ? now : Swift.max(now, until))
    }

    /// What it is worth to save one job from a miss, in worker-seconds.
    ///
    /// A worker more, all the time, is worth it when it saves one job in `worth`; the more jobs have missed than may, the more.
    private mutating func learnPrice(
        _ observation: VariantObservation, new: Int, now: Double, startup: Double, constants: TargetWaitPolicy.Constants
    ) {
        let (due, missed) = pending.note(new, waiting: observation.ready, at: now)
        // The jobs that found no fleet at all, and those behind them, say nothing of how many workers there should be.
        if !hasCaughtUp { hasCaughtUp = observation.startup != nil && observation.ready == 0 }
        if due > 0, hasCaughtUp { missShare.note(missed / due, count: due, remembered: constants.remembered) }
        let known = missShare.weight / (missShare.weight + constants.priorJobs)
        let share = known * missShare.mean + (1 - known) * constants.missShare
        let pressure = Swift.min(constants.pressureMax, Swift.max(constants.pressureMin, pow(share / constants.missShare, constants.gain)))
        let rate = (Double(observation.demand.arrivals) + 1) / (now - beganAt + 1)
        let priceMax = constants.priceCap * startup * Swift.max(1, startup / Swift.max(target, 0.001))
        price = Swift.min(priceMax, constants.worth * pressure / rate)
    }
}

/// How likely a gap ends at each age, in bins of half an octave from a tenth of a second on.
///
/// Kept as hazards (the share of those that reached an age and ended in it), so that many short gaps do not make the few long ones forgotten.
struct GapHistory: Sendable, Codable, Equatable {
    private static let least = 0.1
    private static let count = 46
    private static let remembered = 64.0
    private var ended = [Double](repeating: 0, count: Self.count)
    private var reached = [Double](repeating: 0, count: Self.count)

    private static func limit(_ index: Int) -> Double { index < 0 ? 0 : least * pow(2, Double(index + 1) / 2) }

    mutating func note(_ gap: Double) {
        let last = gap <= Self.least ? 0 : Swift.min(Self.count - 1, Int(2 * log2(gap / Self.least)))
        let fade = 1 - 1 / Self.remembered
        for index in 0...last {
            reached[index] = reached[index] * fade + 1
            ended[index] = ended[index] * fade + (index == last ? 1 : 0)
        }
    }

    /// How long to wait for the next need, when waiting costs 1 a second and not being there costs so much: optimal stopping over the
    /// gaps that were. Of ages that were never seen it is thought that a gap is as likely to end in any octave of its age, which alone
    /// makes a ski rental: wait for as long as it costs.
    func patience(cost: Double) -> Double {
        let scale = cost / 8
        var toGo = cost
        var patience = Double.infinity
        for index in (0..<Self.count).reversed() {
            let (from, until) = (Self.limit(index - 1), Self.limit(index))
            let prior = 1 - (scale + from) / (scale + until)
            let hazard = (ended[index] + prior * 2) / (reached[index] + 2)
            let goOn = (1 - hazard / 2) * (until - from) + (1 - hazard) * toGo
            if goOn < cost {
                toGo = goOn
            } else {
                toGo = cost
                patience = from
            }
        }
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
