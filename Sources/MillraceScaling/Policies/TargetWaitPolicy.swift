import MillraceCore

/// The default: workers so that nineteen jobs of twenty start within the target, for as little idle time as that takes.
///
/// All is counted in worker-seconds. A start costs its boot and load time. A job that misses the target costs a price, which
/// follows from the promise: the more jobs have missed lately than may, the dearer is the next. Three questions remain:
///
/// - *Jobs wait: how many more workers?* As many as each save misses that are worth more than their start (``Forecast``).
/// - *Would another worker have paid for itself lately?* Then it is started before jobs wait for it (``LearnedLevels``).
/// - *A worker is idle: how long is it kept?* For as long as the next need is likely enough (``GapHistory``).
///
/// Only idle workers are drained. See docs/architecture/09-scaling.md.
public struct TargetWaitPolicy: ScalingPolicy {
    /// One set for all endpoints.
    struct Constants: Sendable {
        /// Of the jobs, may miss the target.
        var missShare = 0.05
        /// A worker more, all the time, is worth it when it saves one job in so many.
        var worth = 8.0
        /// How steeply the price follows the misses, and its bounds.
        var gain = 2.0
        var pressureMax = 10.0
        var pressureMin = 0.001
        /// As if so many jobs had missed the target as often as they may, before any was seen.
        var priorJobs = 200.0
        var remembered = 5000.0
        /// A miss is never worth more than so many starts, times what a start takes over the target.
        var priceCap = 4.0
        /// Seconds from wanted to ready, until a start was measured; what a job takes, until one has ended.
        var startupFirst = 60.0
        var secondsPerJobFirst = 4.0
        /// Seconds that an idle worker is kept whatever was learned: a start costs more than its time, and two a second help nobody.
        var keptLeast = 5.0
        /// Of larger fleets, the last levels are taken as one.
        var levelsMax = 64
    }
    private let target: Double
    private let constants = Constants()

    public init(target: Duration) {
        self.target = max(target.seconds, 0.001)
    }

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let startup = max(observation.startup?.seconds ?? constants.startupFirst, 0.01)
        var learned = memory.takeLearned(
            target: target, max: min(observation.limits.upperBound, constants.levelsMax), arrivalsSeen: observation.demand.arrivals, at: observation.now)
        learned.update(observation, startup: startup, constants)
        defer { memory.learned = learned }

        let plan = plan(observation, learned, startup)
        let scaling = observation.scaling
        let wanted = memory.stabilized(
            plan.workers.clamped(to: observation.limits), current: observation.serving, up: scaling.up, down: scaling.down, at: observation.now)
        return observation.decision(
            for: wanted, .idleOnly, lookAgainAt: plan.lookAgainAt,
            reason: wanted == observation.serving ? "\(Words.workers(wanted)): neither more nor fewer would pay" : reason(wanted, plan, observation))
    }

    private struct Plan {
        enum Cause { case enough, queue, habit, gap(kept: Double) }
        var workers: Int
        var cause = Cause.enough
        var lookAgainAt: Timestamp?
    }

    private func plan(_ observation: VariantObservation, _ learned: LearnedLevels, _ startup: Double) -> Plan {
        let serving = observation.serving
        var plan = Plan(workers: serving)
        if observation.ready > 0 {
            let most = max(0, observation.limits.upperBound - serving)
            let forecast = Forecast(
                observation, secondsPerJob: observation.service?.secondsPerJob ?? constants.secondsPerJobFirst, startup: startup, target: target)
            let more = forecast.best(price: learned.price, max: most)
            plan.workers += max(more, serving == 0 ? 1 : 0)
            if plan.workers > serving { plan.cause = .queue }
            plan.lookAgainAt = observation.now + .milliseconds(Int64(max(1000, min(target, startup) * 250)))
        }
        while plan.workers >= 1, plan.workers < observation.limits.upperBound, learned.isWorthStarting(plan.workers + 1, startup) {
            plan.workers += 1
            if case .enough = plan.cause { plan.cause = .habit }
        }
        // One that starts cannot be called back, and those that are ready serve until it is.
        let isSettled = plan.workers == serving && observation.ready == 0 && !observation.workers.contains(where: \.isStarting)
        if isSettled { shrink(&plan, observation, learned, startup) }
        return plan
    }

    private func shrink(_ plan: inout Plan, _ observation: VariantObservation, _ learned: LearnedLevels, _ startup: Double) {
        let now = observation.now.wallSeconds
        let idle = observation.workers.compactMap { worker in
            if case .idle(let since) = worker.activity { since.wallSeconds } else { nil }
        }
        guard let idleSince = idle.min() else { return }
        for _ in idle where plan.workers > observation.limits.lowerBound {
            // Of two workers the second is kept while it would be started again at once.
            guard plan.workers == 1 || !learned.isWorthStarting(plan.workers, startup) else {
                plan.lookAgainAt = observation.now + .seconds(60)
                return
            }
            let until =
                observation.scaling.idle.map { idleSince + $0.seconds }
                ?? max(learned.keptUntil(plan.workers, startup, idleSince: idleSince), idleSince + constants.keptLeast)
            guard until <= now else {
                plan.lookAgainAt = observation.now + .milliseconds(Int64((min(until - now, 3600) * 1000).rounded(.up)) + 1)
                return
            }
            plan.workers -= 1
            plan.cause = .gap(kept: now - idleSince)
        }
    }

    private func reason(_ wanted: Int, _ plan: Plan, _ observation: VariantObservation) -> String {
        let each = observation.service.map { "\(Words.number($0.jobsPerSecond)) jobs/s each" } ?? "their speed not known yet"
        let aim = "target wait \(Words.seconds(target))"
        let cause =
            switch plan.cause {
            case .queue: "\(Words.waiting(observation.ready)), \(each), \(aim)"
            case .habit: "lately one more would have saved more waiting than it costs, \(each), \(aim)"
            case .gap(let kept): "idle for \(Words.seconds(kept)), and more work is not likely enough to be soon, \(aim)"
            case .enough: "the minimum is \(observation.limits.lowerBound), the maximum \(observation.limits.upperBound)"
            }
        return "\(Words.workers(wanted)): \(cause)"
    }
}

extension Timestamp {
    /// Since 1970.
    var wallSeconds: Double { Double(milliseconds) / 1000 }
}
