import Foundation
import MillraceCore

/// What each further worker would have been good for, learned from the jobs that came.
///
/// For each of some fleet sizes a shadow fleet of that many workers, always there, is given the same arrivals, with the sizes of
/// recent jobs, first come first served (the workload vector of Kiefer and Wolfowitz, 1955). A job that would miss the target
/// with one worker less, and does not with this one, is a *need* of this one. From the needs come, worker by worker: how
/// long the gaps between them are, how many jobs miss when the worker has to start first, and how many when it does not come at all.
struct LearnedLevels: Sendable, Codable, Equatable {
    struct Level: Sendable, Codable, Equatable {
        /// Of the shadow fleet.
        var workers: Int
        /// When each of them is free, in seconds since 1970.
        var freeAt: [Double]
        /// When the last need began, and until when it lasts.
        var neededAt = LearnedLevels.never
        var neededUntil = LearnedLevels.never
        var gaps = GapHistory()
        /// Jobs that would have missed while the worker started, in the present such time and in those before.
        var startBegan = LearnedLevels.never
        var startMisses = 0.0
        var missesPerStart = Moments()
        /// Jobs that would have missed without it, in the present need and in those before.
        var needMisses = 0.0
        var missesPerNeed = Moments()
        /// Jobs that it would have saved, fading, over each time scale.
        var saved: [Double]

        private var first: Int {
            var first = 0
            for place in freeAt.indices where freeAt[place] < freeAt[first] { first = place }
            return first
        }

        var firstFree: Double { freeAt[first] }

        /// Gives a job to the worker that is free first.
        /// - Returns: when it begins.
        mutating func take(at now: Double, size: Double) -> Double {
            let place = first
            let begins = Swift.max(freeAt[place], now)
            freeAt[place] = begins + size
            return begins
        }
    }

    private static let never = -1e15
    private static let scaleCount = 5
    /// Over shorter times than sixteen starts, what was is no sign of what comes.
    private static let scaleLeast = 2
    private static let episodesRemembered = 16.0
    /// Of one update: what a bulk brings beyond it changes no figure.
    private static let arrivalsMax = 10_000

    let target: Double
    let max: Int
    private var levels: [Level]
    /// What it is worth to save one job from a miss, in worker-seconds.
    private(set) var price = 0.0
    private(set) var missShare = Moments()
    private var recent: RecentArrivals
    private var hasCaughtUp = false
    private var arrivalsSeen: Int
    private var sizeIndex = 0
    private var updatedAt: Double

    init(target: Double, max: Int, arrivalsSeen: Int, at now: Timestamp) {
        self.target = target
        self.max = max
        self.arrivalsSeen = arrivalsSeen
        updatedAt = now.wallSeconds
        recent = RecentArrivals(span: target, at: now.wallSeconds)
        levels = Self.sizes(upTo: Swift.max(1, max)).map {
            Level(workers: $0, freeAt: [Double](repeating: Self.never, count: $0), saved: [Double](repeating: 0, count: Self.scaleCount))
        }
    }

    /// Each size at first, then steps of about a sixth.
    private static func sizes(upTo max: Int) -> [Int] {
        var sizes: [Int] = []
        var size = 1
        while size < max {
            sizes.append(size)
            size += Swift.max(1, size / 6)
        }
        return sizes + [max]
    }

    private static func seconds(ofScale scale: Int, _ startup: Double) -> Double { startup * pow(4, Double(scale)) }

    // MARK: Learning

    /// Takes in what came since the last time.
    mutating func update(_ observation: VariantObservation, startup: Double, _ constants: TargetWaitPolicy.Constants) {
        let now = observation.now.wallSeconds
        fade(to: now, startup)
        let new = Swift.max(0, observation.demand.arrivals - arrivalsSeen)
        arrivalsSeen = observation.demand.arrivals
        if observation.ready + observation.running == 0 {
            forgive(beyond: now + target + 8 * Swift.max(startup, observation.service?.secondsPerJob ?? 0))
        }
        let sizes = observation.demand.sizes
        if !sizes.isEmpty {
            for _ in 0..<Swift.min(new, Self.arrivalsMax) {
                sizeIndex = (sizeIndex + 1) % sizes.count
                arrive(at: now, size: sizes[sizeIndex], startup)
            }
        }
        learnPrice(observation, new: new, now, startup, constants)
    }

    private mutating func fade(to now: Double, _ startup: Double) {
        let passed = now - updatedAt
        guard passed > 0 else { return }
        updatedAt = now
        for scale in 0..<Self.scaleCount {
            let share = exp(-passed / Self.seconds(ofScale: scale, startup))
            for index in levels.indices { levels[index].saved[scale] *= share }
        }
    }

    /// The real fleet has nothing to do: no shadow fleet is further behind than this. One that cannot keep up would be so for ever.
    private mutating func forgive(beyond latest: Double) {
        for index in levels.indices {
            for place in levels[index].freeAt.indices where levels[index].freeAt[place] > latest { levels[index].freeAt[place] = latest }
        }
    }

    private mutating func arrive(at now: Double, size: Double, _ startup: Double) {
        // With nobody at all every job misses, until a worker has started.
        var missesBelow = true
        var neededUntil = Self.never
        for index in levels.indices {
            let begins = levels[index].take(at: now, size: size)
            let misses = begins - now > target
            if missesBelow, !misses { need(index, at: now, until: neededUntil, startup) }
            if index == 0 { levels[0].neededUntil = Swift.max(levels[0].neededUntil, levels[0].freeAt[0]) }
            missesBelow = misses
            neededUntil = levels[index].firstFree - target
        }
    }

    /// A job came that this level's worker saves from a miss.
    private mutating func need(_ index: Int, at now: Double, until: Double, _ startup: Double) {
        for scale in 0..<Self.scaleCount { levels[index].saved[scale] += 1 }
        if levels[index].neededUntil > Self.never, now > levels[index].neededUntil {
            levels[index].gaps.note(now - levels[index].neededUntil)
            if levels[index].needMisses > 0 {
                levels[index].missesPerNeed.note(levels[index].needMisses, count: 1, remembered: Self.episodesRemembered)
            }
            levels[index].needMisses = 0
        }
        levels[index].needMisses += 1
        levels[index].neededAt = now
        // A worker that is started when the job comes is ready a start later; who came so late that this is within the target is no miss.
        if now > levels[index].startBegan + Swift.max(0, startup - target) {
            if levels[index].startMisses > 0 {
                levels[index].missesPerStart.note(levels[index].startMisses, count: 1, remembered: Self.episodesRemembered)
            }
            levels[index].startMisses = 0
            levels[index].startBegan = now
        }
        levels[index].startMisses += 1
        levels[index].neededUntil = Swift.max(levels[index].neededUntil, now, index == 0 ? now : until)
    }

    /// A worker more, all the time, is worth it when it saves one job in so many; the more have missed than may, the more.
    private mutating func learnPrice(
        _ observation: VariantObservation, new: Int, _ now: Double, _ startup: Double, _ constants: TargetWaitPolicy.Constants
    ) {
        let (due, missed) = recent.note(new, waiting: observation.ready, at: now)
        // The jobs that found no fleet at all, and those behind them, say nothing of how many workers there should be.
        if !hasCaughtUp { hasCaughtUp = observation.startup != nil && observation.ready == 0 }
        if due > 0, hasCaughtUp { missShare.note(missed / due, count: due, remembered: constants.remembered) }
        let known = missShare.weight / (missShare.weight + constants.priorJobs)
        let share = known * missShare.mean + (1 - known) * constants.missShare
        let pressure = Swift.min(
            constants.pressureMax, Swift.max(constants.pressureMin, pow(share / constants.missShare, constants.gain)))
        let arrivalsPerSecond = observation.demand.meanArrivalsPerSecond(at: observation.now)
        let most = constants.priceCap * startup * Swift.max(1, startup / target)
        price = Swift.min(most, constants.worth * pressure / arrivalsPerSecond)
    }

    // MARK: Answers

    /// The level of the fleet's worker of this number; beyond the last it stands for all.
    private func index(_ workers: Int) -> Int {
        levels.firstIndex { $0.workers >= workers } ?? levels.count - 1
    }

    /// Workers that this level has beyond the one before.
    private func width(_ index: Int) -> Double {
        Double(levels[index].workers - (index == 0 ? 0 : levels[index - 1].workers))
    }

    /// Whether over some recent time this worker would have saved more than it costs, its start included.
    func isWorthStarting(_ workers: Int, _ startup: Double) -> Bool {
        // Where a start is quicker than the target, it is early enough to start when there is a need.
        guard target < startup else { return false }
        let index = index(workers)
        // Jobs are saved in clumps, a need at a time; of few clumps so much as is likely: one deviation less than there were.
        let clump = Swift.max(1, levels[index].missesPerNeed.mean, levels[index].needMisses)
        return (Self.scaleLeast..<Self.scaleCount).contains { scale in
            let saved = levels[index].saved[scale]
            return (saved - (saved * clump).squareRoot()) * price > (Self.seconds(ofScale: scale, startup) + startup) * width(index)
        }
    }

    /// Until when this worker is kept for the next need.
    func keptUntil(_ workers: Int, _ startup: Double, idleSince: Double) -> Double {
        let index = index(workers)
        let level = levels[index]
        let perStart = level.missesPerStart.weight > 0 ? level.missesPerStart.mean : level.startMisses
        let perNeed = level.missesPerNeed.weight > 0 ? level.missesPerNeed.mean : level.needMisses
        let starting = startup * width(index) + (target < startup ? price * Swift.max(perStart, 1) : 0)
        // The first must come back; another may stay away.
        let cost = index == 0 ? starting : Swift.min(starting, price * Swift.max(perNeed, 1))
        // What a shadow fleet that cannot keep up still owes was done long ago.
        let isNew = index == 0 && level.neededUntil == Self.never
        let needed = isNew ? idleSince : Swift.min(level.neededUntil, Swift.max(level.neededAt, idleSince))
        return needed + level.gaps.patience(cost: cost / width(index))
    }
}
