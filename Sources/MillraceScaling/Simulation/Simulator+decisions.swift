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

/// How many workers do what.
struct Census: Sendable, Equatable {
    var starting = 0
    var busy = 0
    var idle = 0
    var draining = 0

    var all: Int { starting + busy + idle + draining }
    var isEmpty: Bool { all == 0 }
}
