import MillraceCore

extension Simulator {
    func observe() -> VariantObservation {
        var seen: [VariantObservation.Worker] = []
        seen.reserveCapacity(census.all)
        for worker in workers where worker.phase != .gone {
            let activity: VariantObservation.Worker.Activity =
                if worker.isDraining {
                    .draining(holdsWork: worker.holdsWork)
                } else if worker.phase == .starting {
                    .starting(since: stamp(worker.wantedAt))
                } else if worker.holdsWork {
                    .busy
                } else {
                    .idle(since: stamp(worker.idleSince))
                }
            seen.append(.init(instance: worker.instance, id: worker.id, activity: activity))
        }
        return VariantObservation(
            endpoint: "simulated", variant: "a", scaling: subject.scaling, now: stamp(now), ready: queue.count, running: running,
            oldestReadyAt: queue.first.map { stamp($0.arrivedAt) }, workers: seen, demand: demand)
    }

    /// Lets the controller's budget change what was decided.
    func limit(_ decision: inout ScalingDecision, _ observation: VariantObservation) {
        let budget = BudgetGuard(subject.scaling, usedSeconds: today?.seconds ?? 0, workers: observation.workers.count, at: observation.now)
        var plan = FleetStateMachine.Plan(decision, observation)
        FleetStateMachine.apply(budget, to: &plan, observation)
        plan.lookAgain(at: budget.changesAt)
        (decision.desired, decision.drain, decision.lookAgainAt) = (plan.desired, plan.drain, plan.lookAgainAt)
    }

    mutating func apply(_ decision: ScalingDecision) {
        for id in decision.drain {
            guard let place = workers.firstIndex(where: { $0.phase != .gone && $0.id == id }) else { continue }
            drain(place)
        }
        let missing = decision.desired - (census.all - census.draining)
        guard missing > 0 else { return }
        if missing > setup.fleet.capacity - census.all { report.refusals += 1 }
        // One that drains and still works is paid for, and has its place until it is gone.
        let room = min(setup.fleet.capacity, subject.scaling.max) - census.all
        for _ in 0..<max(0, min(missing, room)) { startWorker() }
    }
}

extension ScalingConfiguration {
    var hasBudget: Bool { budget.gpuHoursPerDayMax != nil || budget.costPerHourMax != nil }
}

/// What workers are paid for since midnight in UTC.
struct DayUse: Sendable, Equatable {
    private static let day = 86_400.0
    private(set) var seconds = 0.0
    /// The next midnight.
    private var endsAt: Double

    init(endsAt: Double) {
        self.endsAt = endsAt
    }

    mutating func pass(from: Double, to: Double, workers: Int) {
        var from = from
        // A decision that is due at midnight, by a clock that has milliseconds, is one of the new day.
        if to >= endsAt - 0.0005 {
            from = endsAt + (max(to - endsAt, 0) / Self.day).rounded(.down) * Self.day
            (endsAt, seconds) = (from + Self.day, 0)
        }
        seconds += max(to - from, 0) * Double(workers)
    }
}

/// How many workers do what.
struct Census: Sendable, Equatable {
    var starting = 0
    var busy = 0
    var idle = 0
    var draining = 0

    var all: Int { starting + busy + idle + draining }
    var isEmpty: Bool { all == 0 }
}
