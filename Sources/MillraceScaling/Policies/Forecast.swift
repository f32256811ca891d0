import MillraceCore

/// What the queue will be while workers start: jobs first come first served, arrivals as the last minutes and hours say.
///
/// Time goes in steps, and arrivals come as a fluid; but a worker that is free begins one job, and is free again when that has ended: where
/// jobs take longer than the target, a worker saves one of them, not a part of all.
struct Forecast {
    /// Workers that are free at one time, seconds from now.
    private struct Free {
        var at: Double
        var workers: Double
    }

    /// Whose turn it is: those that have not begun a job yet, and those that have, each in the order in which they are free.
    private struct Turns {
        private var fresh: [Free]
        private var back: [Free] = []
        private var firstFresh = 0
        private var firstBack = 0
        let workers: Double

        init(of free: [Free], and more: Free) {
            fresh = free
            if more.workers > 0 { fresh.insert(more, at: free.firstIndex { $0.at > more.at } ?? free.count) }
            workers = fresh.reduce(0) { $0 + $1.workers }
        }

        private var isFreshNext: Bool {
            guard firstFresh < fresh.count else { return false }
            return firstBack == back.count || fresh[firstFresh].at < back[firstBack].at
        }

        func next(before end: Double) -> Free? {
            let next = isFreshNext ? fresh[firstFresh] : firstBack < back.count ? back[firstBack] : nil
            return next.flatMap { $0.at < end ? $0 : nil }
        }

        /// Has so many of those whose turn it is work until then, which is no sooner than for any before.
        mutating func take(_ workers: Double, until end: Double) {
            if isFreshNext {
                fresh[firstFresh].workers -= workers
                if fresh[firstFresh].workers < 1e-9 { firstFresh += 1 }
            } else {
                back[firstBack].workers -= workers
                if back[firstBack].workers < 1e-9 { firstBack += 1 }
            }
            if let last = back.last, last.at == end {
                back[back.count - 1].workers += workers
            } else {
                back.append(Free(at: end, workers: workers))
            }
        }
    }
    /// When the busy ones will be free is not known: a share of them in each such part of a job's time.
    private static let parts = 4

    let secondsPerJob: Double
    /// Arrivals to come, until so many seconds from now.
    private let ahead: [(until: Double, perSecond: Double)]
    private let ready: Double
    private let oldest: Double
    /// Workers that serve or start, by the time when they are free, ascending.
    private let free: [Free]
    private let startup: Double
    private let target: Double

    init(_ observation: VariantObservation, secondsPerJob: Double, startup: Double, target: Double) {
        self.secondsPerJob = max(secondsPerJob, 1e-6)
        // What came in the last minutes says what comes in the next ones; what comes in the next hours, the last hours say. Of few
        // arrivals so much as is likely: one deviation less than there were.
        var ahead: [(until: Double, perSecond: Double)] = []
        for (count, seconds) in observation.demand.arrivals(overAtLeast: startup, at: observation.now) {
            let rate = max(0, count - count.squareRoot()) / seconds
            if seconds <= startup * 8, let first = ahead.first {
                ahead[0] = (seconds, max(first.perSecond, rate))
            } else {
                ahead.append((seconds, rate))
            }
        }
        self.ahead = ahead
        ready = Double(observation.ready)
        oldest = observation.oldestReadyAt.map { max(0, observation.now.since($0).seconds) } ?? 0
        var free: [Free] = []
        var (busy, idle) = (0.0, 0.0)
        for worker in observation.workers {
            switch worker.activity {
            case .busy: busy += 1
            case .idle: idle += 1
            case .starting(let since): free.append(Free(at: max(startup - observation.now.since(since).seconds, startup * 0.05), workers: 1))
            case .draining: break
            }
        }
        if idle > 0 { free.append(Free(at: 0, workers: idle)) }
        if busy > 0 {
            free += (0..<Self.parts).map {
                Free(at: secondsPerJob * (Double($0) + 0.5) / Double(Self.parts), workers: busy / Double(Self.parts))
            }
        }
        self.free = free.sorted { $0.at < $1.at }
        self.startup = startup
        self.target = target
    }

    /// Jobs that will miss the target when so many workers are started now.
    private func misses(more: Double) -> Double {
        let horizon = max(startup, secondsPerJob) * 6 + target
        var step = startup / 8
        var time = 0.0
        var there = ready
        var served = 0.0
        var misses = 0.0
        var scale = 0
        var turns = Turns(of: free, and: Free(at: startup, workers: more))
        while time < horizon {
            // Of short jobs a worker begins as many at once as a step has room for.
            let jobsEach = max(1, (step / secondsPerJob).rounded(.down))
            while there - served > 1e-9, let next = turns.next(before: time + step) {
                let begun = min(next.workers * jobsEach, there - served)
                let begin = max(next.at, time)
                // The job in the middle of those that begin now.
                let middle = served + begun / 2
                let arrivedAt = middle < ready ? -oldest * (1 - middle / ready) : time * (middle - ready) / max(there - ready, 1e-9)
                if begin - arrivedAt > target { misses += begun }
                served += begun
                turns.take(begun / jobsEach, until: begin + secondsPerJob * jobsEach)
            }
            time += step
            while scale < ahead.count - 1, ahead[scale].until < time { scale += 1 }
            there += ahead[scale].perSecond * step
            if time > startup {
                if served >= there - ahead[scale].perSecond * step - 1e-9 { return misses }
                step *= 1.15
            }
        }
        // What is left then misses, and so does what comes until it is worked off.
        let left = there - served
        let rate = ahead[scale].perSecond
        let spare = max(turns.workers - rate * secondsPerJob, 0.05)
        return misses + left + rate * max(0, left * secondsPerJob / spare - target)
    }

    /// How many more workers are worth their start.
    func best(price: Double, max: Int) -> Int {
        guard max > 0 else { return 0 }
        var before = misses(more: 0)
        var more = 0
        // Nobody saves more misses than there are.
        while more < max, before * price > startup {
            let after = misses(more: Double(more + 1))
            guard (before - after) * price > startup else { break }
            before = after
            more += 1
        }
        return more
    }
}
