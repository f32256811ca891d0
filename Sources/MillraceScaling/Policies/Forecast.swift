import MillraceCore

/// What the queue will be while workers start: jobs as a fluid, first come first served, arrivals as the last minutes and hours say.
struct Forecast {
    let secondsPerJob: Double
    /// Arrivals to come, until so many seconds from now.
    private let ahead: [(until: Double, perSecond: Double)]
    private let ready: Double
    private let oldest: Double
    private let capacity: Double
    /// When further workers become ready, from now, ascending.
    private let coming: [Double]
    private let startup: Double
    private let target: Double

    init(_ observation: VariantObservation, secondsPerJob: Double, startup: Double, target: Double) {
        self.secondsPerJob = secondsPerJob
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
        var serving = 0.0
        var coming: [Double] = []
        for worker in observation.workers {
            switch worker.activity {
            case .busy, .idle: serving += 1
            case .starting(let since): coming.append(max(startup - observation.now.since(since).seconds, startup * 0.05))
            case .draining: break
            }
        }
        capacity = serving
        self.coming = coming.sorted()
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
        var next = 0
        var scale = 0
        var capacity = capacity
        while time < horizon {
            while next < coming.count, coming[next] <= time {
                capacity += 1
                next += 1
            }
            let able = (capacity + (time >= startup ? more : 0)) * step / secondsPerJob
            let begun = min(able, there - served)
            // The job in the middle of those that begin now.
            let middle = served + begun / 2
            let arrivedAt = middle < ready ? -oldest * (1 - middle / ready) : time * (middle - ready) / max(there - ready, 1e-9)
            if time - arrivedAt > target { misses += begun }
            served += begun
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
        let spare = max(capacity + more - rate * secondsPerJob, 0.05)
        return misses + left + rate * max(0, left * secondsPerJob / spare - target)
    }

    /// How many more workers are worth their start.
    func best(price: Double, max: Int) -> Int {
        guard max > 0 else { return 0 }
        var before = misses(more: 0)
        var more = 0
        while more < max {
            let after = misses(more: Double(more + 1))
            guard (before - after) * price > startup else { break }
            before = after
            more += 1
        }
        return more
    }
}
