import MillraceCloud
import MillraceCore
import MillraceQueue

/// Decides for one fleet: what its policy wants, what its budget and its backoff allow, and what is worth being written down.
///
/// A value: it is told what is seen and what happened, and answers with what to do. It is kept in the store, so that another gateway,
/// or this one after a restart, goes on where it was.
public struct FleetStateMachine: Sendable, Equatable {
    public let endpoint: String
    public let variant: String
    public internal(set) var status: FleetStatus
    var policyMemory = PolicyMemory()
    var demand = DemandHistory()
    var backoff = StartBackoff()
    /// Why starts fail; `nil`: they do not.
    var problem: FleetProblem?
    /// Workers that became ready and died soon after, since the last that did not.
    var earlyDeaths = 0
    /// Workers that became ready before this say nothing of how those fare that came after.
    var lastEarlyDeath: Timestamp?
    var meter = UsageMeter()
    /// What had come and ended at the last look.
    var totals: VariantTotals?
    /// Time of busy workers since jobs last ended.
    var share = WorkerShare()
    /// How long instances that are not ready have been seen to start.
    var starting: [InstanceID: Duration] = [:]
    /// Of them, those that took so long that they are given up.
    var givenUp: Set<InstanceID> = []
    /// Instances that their provider said it takes away, and when.
    var noticed: [InstanceID: Timestamp] = [:]
    /// Workers that go though nobody here decided it, until that is written down.
    var departures: [Departure] = []
    /// The instances of the last look, and whether they were ready.
    var seen: [InstanceID: Bool] = [:]
    var speech = DecisionSpeech()
    var keptAt: Timestamp?
    /// Starts that the store has not heard of.
    var newStarts: [ColdStart] = []

    /// What lived longer than this after it was ready did not die of being started.
    static let provenAfter: Duration = .seconds(30)
    /// Deaths of ready workers in a row that are put down to jobs, which count their crashes themselves.
    static let earlyDeathsForgiven = 2
    /// From so many failed starts in a row on a fleet counts as failing.
    static let failingAfter = 3
    /// Who is not ready after this is given up, unless its model or what was seen before allows for more.
    static let startMax: Duration = .seconds(1800)
    /// How often usage is written while nothing else is, with and without workers.
    static let keepEvery: Duration = .seconds(10)
    static let keepAsleepEvery: Duration = .seconds(600)

    public init(endpoint: String, variant: String, at now: Timestamp) {
        self.endpoint = endpoint
        self.variant = variant
        status = FleetStatus(endpoint: endpoint, variant: variant, at: now)
    }

    // MARK: Looking

    public mutating func look(_ sight: FleetSight, by policy: some ScalingPolicy) -> FleetActions {
        note(sight)
        var observation = sight.observation
        observation.demand = demand
        let decision = policy.decide(observation, &policyMemory)
        var plan = Plan(decision, observation)
        if observation.isPaused { plan.reason = "\(Words.workers(plan.desired)): the endpoint is paused" }
        let budget = BudgetGuard(
            observation.scaling, usedSeconds: meter.used(on: Day(of: observation.now)), workers: observation.workers.count, at: observation.now)
        Self.apply(budget, to: &plan, observation)
        let late = giveUp(observation, startMax: sight.startMax)
        applyBackoff(to: &plan, observation)
        let unwanted = sight.silent + late.workers.filter { !$0.isDraining }.compactMap(\.id)
        plan.drain += unwanted.filter { !plan.drain.contains($0) }
        let records = speak(plan, budget, observation, silent: sight.silent, late: late)
        let changed = updateStatus(plan, budget, observation)
        if let last = records.last { status.lastDecision = last }
        return FleetActions(
            entry: entry(records, isDue: changed, observation), recall: recalled(observation), drain: plan.drain,
            target: target(plan, observation, late: late.workers),
            lookAgainAt: [plan.lookAgainAt, budget.changesAt].compactMap(\.self).min())
    }

    /// Workers that do not become ready stand in the way of others, and cost. They hold no work.
    private mutating func giveUp(_ observation: VariantObservation, startMax: Duration) -> Late {
        let limit = max(max(Self.startMax, startMax * 2), (observation.startup ?? .zero) * 5)
        let late = observation.workers.filter { worker in
            worker.isStarting && (givenUp.contains(worker.instance) || starting[worker.instance] ?? .zero > limit)
        }
        let words = "its last worker was not ready after \(limit.milliseconds / 60_000) minutes"
        // All that are late now are one failure, however many started together.
        let new = late.filter { givenUp.insert($0.instance).inserted }
        guard !new.isEmpty else { return Late(workers: late, words: words, isNew: false) }
        if problem?.kind == .capacity { backoff.succeeded() }
        problem = FleetProblem(.start, words)
        backoff.failed(at: observation.now)
        return Late(workers: late, words: words, isNew: true)
    }

    /// Workers that are given up, and why.
    struct Late {
        var workers: [VariantObservation.Worker]
        var words: String
        var isNew: Bool
    }

    /// Whom their provider takes away, as soon as they are known: what they hold goes back, and they are given no more.
    private func recalled(_ observation: VariantObservation) -> [WorkerID] {
        observation.workers.filter { noticed[$0.instance] != nil && !$0.isDraining }.compactMap(\.id)
    }

    /// What is wanted of a look, and why.
    struct Plan {
        /// Workers that should serve.
        var desired: Int
        var drain: [WorkerID]
        var lookAgainAt: Timestamp?
        var reason: String
        /// What stands in the way of more.
        var hold: Hold?
        /// Workers that serve now.
        let serving: Int
        /// What the policy alone wanted.
        let policyWanted: Int

        struct Hold {
            enum Cause: Equatable { case budget, capacity, failure }
            var cause: Cause
            var words: String
            var until: Timestamp?
        }

        init(_ decision: ScalingDecision, _ observation: VariantObservation) {
            serving = observation.workers.count { !$0.isDraining }
            // One that said goodbye and has not ended yet still has its place: its end, which is near, tells whether it was a failure.
            let leaving = observation.workers.count { $0.id == nil && $0.isDraining }
            policyWanted = decision.desired
            drain = decision.drain
            // The workers of a fleet go by being drained, one by one, never by being too many.
            desired = decision.drain.isEmpty ? max(serving, decision.desired - leaving) : serving - decision.drain.count
            lookAgainAt = decision.lookAgainAt
            reason = decision.reason
        }

        mutating func lookAgain(at time: Timestamp?) {
            lookAgainAt = [lookAgainAt, time].compactMap(\.self).min()
        }
    }

    /// At the cap nothing new is started and what is over it drains: the idle first, and those with work finish it.
    static func apply(_ budget: BudgetGuard, to plan: inout Plan, _ observation: VariantObservation) {
        guard let max = budget.workersMax else { return }
        // Those that drain are paid too: they take the place of new ones, but push nobody out.
        let draining = observation.workers.count(where: \.isDraining)
        let most = Swift.max(max - draining, min(plan.serving, max))
        guard most < Swift.max(plan.desired, plan.serving) else { return }
        let wanted = plan.desired
        plan.desired = min(wanted, most)
        if wanted > most, let cause = budget.cause {
            plan.hold = .init(cause: .budget, words: cause, until: budget.use.state == .reached && max == 0 ? budget.changesAt : nil)
        }
        let over = plan.serving - plan.drain.count - max
        guard over > 0 else { return plan.desired = min(wanted, Swift.max(plan.serving, most)) }
        let candidates = observation.workers.filter { !$0.isDraining && $0.id.map { !plan.drain.contains($0) } ?? false }
        plan.drain += candidates.sorted { !$0.activity.holdsWork && $1.activity.holdsWork }.prefix(over).compactMap(\.id)
    }

    /// Whoever failed a moment ago is not tried again at once.
    private func applyBackoff(to plan: inout Plan, _ observation: VariantObservation) {
        guard plan.desired > plan.serving, let until = backoff.waitsUntil(observation.now), let problem else { return }
        plan.hold = .init(cause: problem.kind == .capacity ? .capacity : .failure, words: problem.message, until: until)
        plan.desired = plan.serving
        plan.lookAgain(at: until)
    }

    private func target(_ plan: Plan, _ observation: VariantObservation, late: [VariantObservation.Worker]) -> FleetTarget {
        let protected = observation.workers.filter(\.activity.holdsWork)
        // Who never registered cannot be marked, and holds nothing.
        let unknown = late.filter { $0.id == nil }.map(\.instance)
        return FleetTarget(
            endpoint: endpoint, variant: variant,
            // Those that drain and still work are in the fleet, so they are part of what it should have; so are those that are only
            // being marked in this step.
            desired: max(plan.desired, plan.serving) - unknown.count + observation.workers.count { $0.activity == .draining(holdsWork: true) },
            retire: Set(observation.workers.filter { $0.activity == .draining(holdsWork: false) }.map(\.instance) + unknown),
            protectUntil: Dictionary(protected.map { ($0.instance, observation.now + .seconds(120)) }, uniquingKeysWith: { $1 }))
    }

    // MARK: What happened

    /// The fleet could not start all that was asked for.
    public mutating func refused(_ problem: FleetProblem, at now: Timestamp) {
        self.problem = problem
        backoff.failed(at: now)
    }

    /// Whoever starts a server anew may have mended what was wrong.
    public mutating func tryAtOnce() { backoff.skipPause() }

    /// A place may be free again.
    public mutating func roomWasMade() {
        guard problem?.kind == .capacity else { return }
        backoff.succeeded()
    }

    /// The provider takes a worker away.
    /// - Parameter held: jobs that its worker holds; `nil`: it has none yet.
    public mutating func noticed(_ instance: InstanceID, held: Int?, endsAt: Timestamp) {
        noticed[instance] = endsAt
        let jobs = held.map { "\($0) jobs that it held go back to the queue" } ?? "it had not come so far as to take jobs"
        depart(instance, .notice, "its provider takes a worker away at \(endsAt); \(jobs)")
    }

    /// The fleet itself lets a worker go.
    public mutating func letGo(_ instance: InstanceID, why: String) {
        depart(instance, .down, why)
    }

    public mutating func ended(_ end: WorkerEnd, price: Double?, at now: Timestamp) {
        meter.ended(end.instance, of: endpoint, variant, price: price, at: now)
        seen[end.instance] = nil
        let wasAnnounced = noticed.removeValue(forKey: end.instance) != nil || givenUp.remove(end.instance) != nil
        if let readyAt = end.readyAt {
            if end.expected || now.since(readyAt) > Self.provenAfter {
                if isNewer(readyAt) { proven() }
                return
            }
            guard !wasAnnounced else { return }
            earlyDeaths += 1
            lastEarlyDeath = now
            guard earlyDeaths > Self.earlyDeathsForgiven else { return }
            fail(.crashLoop, "its workers die soon after they are ready (\(end.status))", end, at: now)
        } else if !end.expected, !wasAnnounced {
            fail(.start, "its last worker could not start (\(end.status))", end, at: now)
        }
    }

    private mutating func fail(_ kind: FleetProblem.Kind, _ words: String, _ end: WorkerEnd, at now: Timestamp) {
        // Its own last word, where it has one; else what it said last.
        let lines = end.stderrTail.split(separator: "\n")
        let last = lines.last { $0.hasPrefix("error: ") }.map { String($0.dropFirst(7)) } ?? lines.suffix(3).joined(separator: " ")
        // Having had no room says nothing of how well workers start.
        if problem?.kind == .capacity { backoff.succeeded() }
        problem = FleetProblem(kind, last.isEmpty ? words : "\(words): \(last.suffix(1000))")
        backoff.failed(at: now, longest: kind == .crashLoop ? StartBackoff.longestOfReady : StartBackoff.longest)
    }

    /// Starting works. That says nothing of how long workers live.
    private mutating func started() {
        guard problem?.kind != .crashLoop else { return }
        problem = nil
        backoff.succeeded()
        speech.forgetFailures()
    }

    /// Workers start, and live.
    private mutating func proven() {
        (problem, earlyDeaths, lastEarlyDeath) = (nil, 0, nil)
        backoff.succeeded()
        speech.forgetFailures()
    }

    private func isNewer(_ readyAt: Timestamp) -> Bool { lastEarlyDeath.map { readyAt > $0 } ?? true }

    /// After workers died early, those that came later have to live for a while, or to bring a job to its end. Where older ones
    /// serve beside them nobody knows whose job it was.
    private mutating func noteSurvivors(_ sight: FleetSight, jobsEnded: Int) {
        guard earlyDeaths > 0 else { return }
        // A clock that was set back must not make all that come look older.
        lastEarlyDeath = lastEarlyDeath.map { min($0, sight.observation.now) }
        let ready = sight.observation.workers.filter { !$0.isDraining }.compactMap { sight.readyAt[$0.instance] }
        let hasLived = ready.contains { isNewer($0) && sight.observation.now.since($0) > Self.provenAfter }
        if hasLived || jobsEnded > 0 && !ready.isEmpty && ready.allSatisfy(isNewer) { proven() }
    }
}

// MARK: - What is seen

extension FleetStateMachine {
    private mutating func note(_ sight: FleetSight) {
        let (observation, now) = (sight.observation, sight.observation.now)
        let before = totals ?? sight.totals
        let ended = (jobs: max(0, (sight.totals?.ended ?? 0) - (before?.ended ?? 0)), run: (sight.totals?.run ?? .zero) - (before?.run ?? .zero))
        let busy = meter.count(sight, ended: ended)
        share.note(busy: busy, running: observation.running, at: now)
        demand.noteBusy(busy, running: observation.running)
        let arrived = (sight.totals?.admitted ?? 0) - (before?.admitted ?? 0)
        // The first look of all sees what has come before anybody counted.
        if totals == nil, let all = sight.totals { demand.noteArrivals(min(all.admitted, observation.ready + observation.running), at: now) }
        if arrived > 0 { demand.noteArrivals(arrived, at: now) }
        if ended.jobs > 0 {
            demand.noteCompletions(ended.jobs, busy: .seconds(ended.run.seconds * share.value), at: now)
        }
        // Until something has come, what comes first is new.
        totals = sight.totals ?? totals ?? VariantTotals(endpoint: endpoint, variant: variant)
        noteStarts(sight)
        noteSurvivors(sight, jobsEnded: ended.jobs)
    }

    /// By what was looked at, not by clocks: the machine may have slept, a clock been set, or the worker of a machine that was
    /// out of reach come back and not have said yet that it is ready.
    private mutating func noteStarting(_ sight: FleetSight) {
        let passed = min(max(sight.observation.now.since(status.lookedAt), .zero), .seconds(60))
        let before = starting
        starting = [:]
        for worker in sight.observation.workers where worker.isStarting {
            starting[worker.instance] = before[worker.instance].map { $0 + passed } ?? .zero
        }
    }

    private mutating func noteStarts(_ sight: FleetSight) {
        let now = sight.observation.now
        for worker in sight.observation.workers {
            let (before, readyAt) = (seen[worker.instance], sight.readyAt[worker.instance])
            let wantedAt = sight.wantedAt[worker.instance] ?? now
            if before == nil {
                newStarts.append(ColdStart(instance: worker.instance, endpoint: endpoint, variant: variant, wantedAt: wantedAt))
            }
            let isReady = !worker.isStarting && worker.id != nil
            // One that was told to go before it was ready says nothing of how long starting takes.
            if isReady, before != true, !worker.isDraining {
                demand.noteStart(took: max((readyAt ?? now).since(wantedAt), .zero))
                started()
            }
            seen[worker.instance] = before == true || isReady
        }
        let there = Set(sight.observation.workers.map(\.instance))
        seen = seen.filter { there.contains($0.key) }
        noteStarting(sight)
        givenUp.formIntersection(there)
        // Its end may be heard of after it is no longer seen.
        noticed = noticed.filter { there.contains($0.key) || now.since($0.value) < Self.startMax }
    }
}
