import DequeModule
import MillraceCore
import MillraceInference

extension Simulator {
    mutating func startWorker() {
        let place = freePlaces.popLast() ?? workers.count
        if place == workers.count { workers.append(SimulatedWorker()) }
        workerNumber += 1
        workers[place].generation += 1
        workers[place].phase = .starting
        workers[place].id = WorkerID(high: 0, low: workerNumber)
        workers[place].instance = "w\(workerNumber)"
        workers[place].isDraining = false
        workers[place].wantedAt = now
        workers[place].planner = nil
        census.starting += 1
        report.starts += 1
        let fleet = setup.fleet
        let took = fleet.boot.draw(&fleetRandom) + fleet.pull.draw(&fleetRandom) + fleet.load.draw(&fleetRandom)
        schedule(.ready, at: now + took, place: place)
        if fleet.interruptionsPerHour > 0 {
            schedule(.notice, at: now + fleetRandom.exponential() * 3600 / fleet.interruptionsPerHour, place: place)
        }
    }

    mutating func ready(_ place: Int) {
        workers[place].phase = .serving
        census.starting -= 1
        let took = now - workers[place].wantedAt
        demand.noteStart(took: .milliseconds(Int64((took * 1000).rounded())))
        report.noteStart(took: took, waiting: queue.count)
        census.busy += 1
        if queue.isEmpty { rest(place) } else { take(place) }
        ask()
    }

    /// The worker takes no more work; it goes when it holds none.
    mutating func drain(_ place: Int) {
        guard !workers[place].isDraining else { return }
        workers[place].isDraining = true
        switch workers[place].phase {
        case .gone: break
        case .starting:
            census.starting -= 1
            census.draining += 1
            stop(place)
        case .serving:
            census.draining += 1
            if workers[place].holdsWork {
                census.busy -= 1
            } else {
                census.idle -= 1
                stop(place)
            }
        }
    }

    mutating func stop(_ place: Int) {
        if workers[place].holdsWork { report.busyKills += 1 }
        census.draining -= 1
        settle(workers[place])
        workers[place].phase = .gone
        workers[place].generation += 1
        freePlaces.append(place)
    }

    mutating func settle(_ worker: SimulatedWorker) {
        report.paidSeconds += now - worker.wantedAt
    }

    /// A spot notice: what the worker holds goes back at once, then it leaves.
    mutating func takeAway(_ place: Int) {
        report.interruptions += 1
        var held = workers[place].jobs
        held += workers[place].planner?.removeAll() ?? []
        let wasBusy = !held.isEmpty
        workers[place].jobs.removeAll(keepingCapacity: true)
        running -= held.count
        report.givenBack += held.count
        for job in held.reversed() { queue.prepend(job) }
        if !workers[place].isDraining {
            workers[place].isDraining = true
            census.draining += 1
            switch workers[place].phase {
            case .starting: census.starting -= 1
            case .serving where wasBusy: census.busy -= 1
            default: census.idle -= 1
            }
        }
        stop(place)
        dispatch()
        ask()
    }
}
