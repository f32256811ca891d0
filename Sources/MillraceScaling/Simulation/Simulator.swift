import DequeModule
import HeapModule
import MillraceCore
import MillraceInference

/// Runs jobs through a fleet that a policy scales, in virtual time.
///
/// Discrete events; the policies, their memory and the batching are those of production. The same seed gives the same report.
public struct Simulator {
    struct Event: Comparable {
        enum Kind { case ready, finished, batchDue, notice, decide }
        var at: Double
        var order: UInt64
        var kind: Kind
        var place = 0
        var generation = 0

        static func < (left: Self, right: Self) -> Bool {
            left.at != right.at ? left.at < right.at : left.order < right.order
        }
        static func == (left: Self, right: Self) -> Bool { left.order == right.order }
    }

    let setup: SimulationSetup
    let subject: SimulatedPolicy
    var now = 0.0
    var events = Heap<Event>()
    private var order: UInt64 = 0

    var queue = Deque<SimulatedJob>()
    /// Numbers of jobs that were accepted and have not ended.
    private var open: Set<UInt64> = []
    private var jobNumber: UInt64 = 0
    var running = 0

    var workers: [SimulatedWorker] = []
    var freePlaces: [Int] = []
    /// Idle workers, the one that has been so longest in front; entries of those that are not any more are skipped.
    var idle: [(place: Int, generation: Int, since: Double)] = []
    var workerNumber: UInt64 = 0
    var census = Census()

    var demand = DemandHistory()
    /// Of workers since the last decision or the last job that ended.
    private var busySeconds = 0.0
    var memory = PolicyMemory()
    /// What workers are paid for of the present day; `nil`: no budget asks.
    var today: DayUse?
    private var decideAt = Double.infinity
    private var decidedAt = -Double.infinity

    private var serviceRandom: SeededRandom
    var fleetRandom: SeededRandom
    var report: SimulationReport

    init(_ setup: SimulationSetup, _ subject: SimulatedPolicy) {
        self.setup = setup
        self.subject = subject
        serviceRandom = SeededRandom(seed: setup.seed, stream: 1)
        fleetRandom = SeededRandom(seed: setup.seed, stream: 2)
        report = SimulationReport(policy: subject.name, price: setup.fleet.price)
        if subject.scaling.budget.gpuHoursPerDayMax != nil { today = DayUse(endsAt: seconds(Day(of: setup.startsAt).end)) }
    }

    /// - Parameter progress: told now and then how many jobs have arrived; it may throw to stop.
    public static func run(
        _ arrivals: any ArrivalSource, _ setup: SimulationSetup, _ policy: SimulatedPolicy, progress: (Int) throws -> Void = { _ in }
    ) throws -> SimulationReport {
        var simulator = Simulator(setup, policy)
        return try simulator.run(arrivals, progress)
    }

    private mutating func run(_ arrivals: any ArrivalSource, _ progress: (Int) throws -> Void) throws -> SimulationReport {
        var arrivals = arrivals
        var coming = try arrivals.next()
        decide()
        while true {
            let due = events.min
            let next = [coming?.at, due?.at].compactMap(\.self).min()
            if let next, coming != nil || !open.isEmpty { try check(next: next) }
            if let arrival = coming, arrival.at <= (due?.at ?? .infinity) {
                advance(to: arrival.at)
                arrive(arrival)
                coming = try arrivals.next()
                if jobNumber & 0xFFFF == 0 { try progress(Int(jobNumber)) }
            } else if due != nil {
                let event = events.removeMin()
                if coming == nil, open.isEmpty, census.isEmpty || event.at > report.lastEndedAt + setup.tailMax { break }
                advance(to: event.at)
                handle(event)
            } else {
                break
            }
        }
        if !census.isEmpty { advance(to: max(now, report.lastEndedAt + setup.tailMax)) }
        for place in workers.indices where workers[place].phase != .gone { settle(workers[place]) }
        report.unfinished = queue.count + running
        report.lost = open.count - report.unfinished
        report.close(at: now)
        return report
    }

    /// Some jobs never end: longer than their workers are there, or than anybody would wait.
    private func check(next: Double) throws {
        guard next < Self.horizon else {
            throw MillraceError(.invalidInput, "the simulation would run for more than 90 years", hint: "are times and durations in seconds?")
        }
        guard report.interruptions <= 1_000_000 + 1000 * report.accepted else {
            throw MillraceError(
                .invalidInput, "after \(report.interruptions) interruptions \(open.count) of \(report.accepted) jobs have not ended",
                hint: "workers are taken away before they have started or a job has ended: fewer interruptions, quicker starts, shorter jobs")
        }
    }

    /// Seconds; far enough for any plan, and near enough for times in milliseconds.
    private static let horizon = 90 * 365 * 86_400.0

    private mutating func advance(to time: Double) {
        precondition(time >= now, "time goes forward")
        report.timeline.pass(from: now, to: time, census, queue.count)
        busySeconds += (time - now) * Double(census.busy)
        today?.pass(from: now, to: time, workers: census.all)
        now = time
    }

    mutating func schedule(_ kind: Event.Kind, at time: Double, place: Int = 0) {
        order += 1
        events.insert(
            Event(at: time, order: order, kind: kind, place: place, generation: kind == .decide ? 0 : workers[place].generation))
    }

    private mutating func handle(_ event: Event) {
        if event.kind == .decide {
            guard event.at == decideAt else { return }
            return decide()
        }
        guard workers[event.place].generation == event.generation, workers[event.place].phase != .gone else { return }
        switch event.kind {
        case .ready: ready(event.place)
        case .finished: finish(event.place)
        case .batchDue: if workers[event.place].jobs.isEmpty { begin(event.place) }
        case .notice: takeAway(event.place)
        case .decide: break
        }
    }

    // MARK: Jobs

    private mutating func arrive(_ arrival: Arrival) {
        jobNumber += 1
        open.insert(jobNumber)
        demand.noteArrivals(1, at: stamp(now))
        report.noteArrival(at: now)
        queue.append(SimulatedJob(number: jobNumber, arrivedAt: now, work: setup.service.work(of: arrival, &serviceRandom)))
        dispatch()
        ask()
    }

    /// Gives waiting jobs to idle workers: as in production, to the one that came last, so that the others may be let go.
    mutating func dispatch() {
        while !queue.isEmpty, let last = idle.popLast() {
            let worker = workers[last.place]
            guard worker.generation == last.generation, !worker.isDraining, !worker.holdsWork, worker.idleSince == last.since else { continue }
            census.idle -= 1
            census.busy += 1
            take(last.place)
        }
        guard setup.batching.itemsMax > 1, !queue.isEmpty else { return }
        // A batch that waits for more items takes them.
        for place in workers.indices where workers[place].phase == .serving && workers[place].jobs.isEmpty && !workers[place].isDraining {
            if workers[place].holdsWork { take(place) }
        }
    }

    /// A worker takes what its next batch can hold.
    mutating func take(_ place: Int) {
        guard setup.batching.itemsMax > 1 else {
            let job = lease()
            workers[place].jobs.append(job)
            return start(place)
        }
        var planner = workers[place].planner ?? BatchPlanner(setup.batching)
        let time = stamp(now)
        while !queue.isEmpty, !planner.isFull {
            let job = lease()
            planner.add(job, id: ItemID(job.number), of: JobID(high: 0, low: job.number), at: time)
        }
        workers[place].planner = planner
        begin(place)
    }

    private mutating func lease() -> SimulatedJob {
        var job = queue.removeFirst()
        running += 1
        if !job.hasWaited { report.waits.note(now - job.arrivedAt) }
        job.hasWaited = true
        return job
    }

    /// Asks the batching of production whether to run or to wait for more.
    private mutating func begin(_ place: Int) {
        let time = stamp(now)
        guard let decision = workers[place].planner?.next(at: time, preparing: 0) else { return }
        switch decision {
        case .run(let batch):
            workers[place].jobs = batch
            start(place)
        case .wait(let until): schedule(.batchDue, at: max(now + 0.001, seconds(until)), place: place)
        case .idle: break
        }
    }

    private mutating func start(_ place: Int) {
        workers[place].batchBegan = now
        let jobs = workers[place].jobs
        let took =
            jobs.count == 1 && setup.service.byBatchSize.isEmpty
            ? jobs[0].work : setup.service.seconds(count: jobs.count, work: jobs.reduce(0) { $0 + $1.work })
        schedule(.finished, at: now + took, place: place)
    }

    private mutating func finish(_ place: Int) {
        let began = workers[place].batchBegan
        report.workedSeconds += now - began
        for job in workers[place].jobs {
            if open.remove(job.number) == nil { report.doubled += 1 }
            report.turnarounds.note(now - job.arrivedAt)
        }
        running -= workers[place].jobs.count
        // What was worked until now is part of what is noted with the jobs.
        busySeconds = 0
        demand.noteCompletions(workers[place].jobs.count, busy: .milliseconds(Int64(((now - began) * 1000).rounded())), at: stamp(now))
        report.finished += workers[place].jobs.count
        report.lastEndedAt = now
        workers[place].jobs.removeAll(keepingCapacity: true)
        if workers[place].isDraining, !workers[place].holdsWork { return stop(place) }
        if workers[place].holdsWork { return begin(place) }
        if !queue.isEmpty { return take(place) }
        rest(place)
        ask()
    }

    mutating func rest(_ place: Int) {
        census.busy -= 1
        census.idle += 1
        workers[place].idleSince = now
        idle.append((place, workers[place].generation, now))
    }

    // MARK: The policy

    /// Something happened that may change what is wanted.
    mutating func ask() {
        guard case .events(let spacing) = subject.cadence else { return }
        lookAgain(at: max(now, decidedAt + spacing))
    }

    private mutating func lookAgain(at time: Double) {
        guard time < decideAt else { return }
        decideAt = time
        schedule(.decide, at: time)
    }

    private mutating func decide() {
        decidedAt = now
        decideAt = .infinity
        demand.noteBusy(.milliseconds(Int64((busySeconds * 1000).rounded())), running: running)
        busySeconds = 0
        let observation = observe()
        var decision = subject.policy.decide(observation, &memory)
        if subject.scaling.hasBudget { limit(&decision, observation) }
        report.decisions += 1
        apply(decision)
        switch subject.cadence {
        case .every(let interval): lookAgain(at: now + interval)
        case .events(let spacing):
            if let again = decision.lookAgainAt { lookAgain(at: max(seconds(again), now + max(spacing, 0.001))) }
        }
    }

    func stamp(_ time: Double) -> Timestamp {
        Timestamp(milliseconds: setup.startsAt.milliseconds + Int64((time * 1000).rounded()))
    }

    private func seconds(_ stamp: Timestamp) -> Double {
        Double(stamp.milliseconds - setup.startsAt.milliseconds) / 1000
    }
}
