import Foundation
import MillraceCore

/// The default: workers so that nineteen jobs of twenty start within the target, for as little idle time as that takes.
public struct TargetWaitPolicy: ScalingPolicy {
    /// One set for all endpoints.
    struct Constants: Sendable {
        var missShare = 0.05
        var worth = 8.0
        var gain = 2.0
        var pressureMax = 10.0
        var pressureMin = 0.001
        var priorJobs = 200.0
        var remembered = 5000.0
        var priceCap = 4.0
        var startupFirst = 60.0
    }
    private let target: Double
    private let constants: Constants
    nonisolated(unsafe) static var trace: ((Double, LearnedLevels, VariantObservation, Double) -> Void)?
    public nonisolated(unsafe) static var say: ((String) -> Void)? { didSet {
        var lastAt = 0.0
        trace = { now, learned, o, startup in
            if now < lastAt + 300 { return }
            lastAt = now
            say?("t \(Int(now) % 1_000_000) price \(Words.number(learned.price)) miss \(Words.number(learned.missShare.mean)) q \(o.ready) r \(o.running) workers \(o.serving) start \(o.workers.count { $0.isStarting }) " + (1...6).map { "| \(Words.number(learned.levels[$0-1].missesPerStart.mean)) \(Words.number(learned.levels[$0-1].missesPerNeed.mean)) \(Words.number(learned.heldUntil($0, startup) - learned.levels[$0-1].needUntil)) \(learned.isWorthStarting($0, startup))" }.joined(separator: " "))
        }
    } }

    public nonisolated(unsafe) static var override: [String: Double] = [:]
    public init(target: Duration) {
        var c = Constants()
        for (k, v) in Self.override {
            switch k {
            case "worth": c.worth = v
            case "gain": c.gain = v
            case "pmax": c.pressureMax = v
            case "pmin": c.pressureMin = v
            case "prior": c.priorJobs = v
            case "rem": c.remembered = v
            case "cap": c.priceCap = v
            default: fatalError(k)
            }
        }
        self.init(target: target, c)
    }

    init(target: Duration, _ constants: Constants) {
        self.target = max(target.seconds, 0.001)
        self.constants = constants
    }

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let now = Double(observation.now.milliseconds) / 1000
        let limits = observation.limits
        let startup = max(observation.startup?.seconds ?? constants.startupFirst, 0.01)
        var learned =
            memory.learned.flatMap { $0.max == limits.upperBound && $0.target == target ? $0 : nil }
            ?? LearnedLevels(
                max: max(1, limits.upperBound), target: target, price: 0,
                arrivalsSeen: 0, at: now)
        memory.learned = nil
        learned.update(observation, startup: startup, constants: constants)
        defer { memory.learned = learned }
        if let t = TargetWaitPolicy.trace { t(now, learned, observation, startup) }

        let serving = observation.serving
        var wanted = serving
        var reason = ""
        if observation.ready > 0 {
            let forecast = Forecast(observation, startup: startup, target: target)
            let more = forecast.best(price: learned.price, max: limits.upperBound - serving)
            if more > 0 || serving == 0 {
                wanted = serving + max(more, serving == 0 ? 1 : 0)
                reason = "\(Words.waiting(observation.ready)), \(Words.number(1 / forecast.secondsPerJob)) jobs/s each"
            }
        }
        // A level that was worth having for longer than a start is worth.
        while wanted < limits.upperBound, wanted >= 1, learned.isWorthStarting(wanted + 1, startup) {
            wanted += 1
        }
        var lookAgainAt: Timestamp?
        let idle = observation.workers.count { if case .idle = $0.activity { true } else { false } }
        if wanted == serving, idle > 0, observation.ready == 0, !observation.workers.contains(where: \.isStarting) {
            var free = idle
            let idleSince = observation.workers.reduce(now) { since, worker in
                if case .idle(let at) = worker.activity { min(since, Double(at.milliseconds) / 1000) } else { since }
            }
            while free > 0, wanted > limits.lowerBound {
                let until = wanted > 1 && learned.isWorthStarting(wanted, startup) ? .infinity : learned.heldUntil(wanted, startup, idleSince: idleSince)
                if until > now {
                    lookAgainAt = Timestamp(milliseconds: Int64((min(until, now + 3600) * 1000).rounded(.up)) + 1)
                    break
                }
                wanted -= 1
                free -= 1
            }
        } else if observation.ready > 0 {
            lookAgainAt = observation.now + .milliseconds(Int64(max(1000, min(target, startup) * 250)))
        }
        return observation.decision(for: wanted.clamped(to: limits), .idleOnly, lookAgainAt: lookAgainAt, reason: reason)
    }
}

extension LearnedLevels {
    private func index(_ workers: Int) -> Int {
        levels.firstIndex { $0.workers >= workers } ?? levels.count - 1
    }
    /// Workers that this level has beyond the one before.
    private func width(_ index: Int) -> Double {
        Double(levels[index].workers - (index == 0 ? 0 : levels[index - 1].workers))
    }

    /// Whether in some recent time the worker would have saved more than it costs, its start included.
    func isWorthStarting(_ workers: Int, _ startup: Double) -> Bool {
        // Where a start is quicker than the target, it is early enough to start when there is a need.
        guard target < startup else { return false }
        let index = index(workers)
        for scale in 1..<Self.scaleCount {
            let seconds = Self.scale(scale, startup)
            if levels[index].saved[scale] * price > (seconds + startup) * width(index) { return true }
        }
        return false
    }

    /// How long this worker is kept for the next need.
    func heldUntil(_ workers: Int, _ startup: Double, idleSince: Double = .infinity) -> Double {
        let index = index(workers)
        let level = levels[index]
        let perStart = startup * width(index) + (target < startup ? price * Swift.max(level.missesPerStart.weight > 0 ? level.missesPerStart.mean : level.windowMisses, 1) : 0)
        let perNeed = price * Swift.max(level.missesPerNeed.weight > 0 ? level.missesPerNeed.mean : level.needMisses, 1)
        let cost = (index == 0 ? perStart : Swift.min(perStart, perNeed)) / width(index)
        // A shadow fleet that cannot keep up is behind for ever; what it owes was done long ago.
        let needed = Swift.min(level.needUntil, Swift.max(level.neededAt, idleSince))
        return needed + level.gaps.patience(cost: cost)
    }
}

/// What the queue will be, as a fluid.
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

    init(_ observation: VariantObservation, startup: Double, target: Double) {
        secondsPerJob = observation.service?.secondsPerJob ?? 1
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
