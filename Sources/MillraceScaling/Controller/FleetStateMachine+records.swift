import MillraceCloud
import MillraceCore
import MillraceQueue

// What is written down of a look, and what is shown of a fleet.
extension FleetStateMachine {
    mutating func speak(
        _ plan: Plan, _ budget: BudgetGuard, _ observation: VariantObservation, silent: [WorkerID],
        late: Late
    ) -> [ScalingRecord] {
        let serving = Set(observation.workers.filter { !$0.isDraining }.map(\.instance))
        var records = speakOfDepartures(serving: plan.serving, at: observation.now, inputs(plan, budget, observation)) { serving.contains($0) }
        func record(_ kind: ScalingRecord.Kind, to: Int, _ reason: String) {
            records.append(
                ScalingRecord(
                    at: observation.now, endpoint: endpoint, variant: variant, kind: kind, from: plan.serving, to: to, reason: reason,
                    inputs: inputs(plan, budget, observation)))
        }
        for warning in budget.warnings where speech.isNewWarning("\(Day(of: observation.now)) \(warning.key)") {
            record(.warning, to: plan.serving, warning.words)
        }
        let isFailing = problem != nil
        if late.isNew {
            record(.down, to: max(plan.serving - late.workers.count, 0), late.words)
        } else if !plan.drain.isEmpty {
            let words = !late.workers.isEmpty ? late.words : silent.isEmpty ? plan.reason : "\(silent.count) of its workers have been silent for too long"
            let why = plan.hold?.cause == .budget ? plan.hold?.words ?? words : words
            // Each names workers that were not named before.
            _ = speech.isNew("down \(plan.drain.map(\.description).joined(separator: " "))", isFailing: false)
            record(.down, to: max(plan.serving - plan.drain.count, 0), why)
        } else if let hold = plan.hold {
            // What a budget holds back comes and goes with what is wanted.
            if speech.isNew("hold \(hold.cause) \(hold.words)", isFailing: isFailing || hold.cause == .budget) {
                record(.hold, to: plan.desired, plan.reason.isEmpty ? hold.words : "\(hold.words); wanted: \(plan.reason)")
            }
        } else if plan.desired > plan.serving {
            if speech.isNew("up \(plan.serving) \(plan.desired)", isFailing: isFailing) { record(.up, to: plan.desired, plan.reason) }
        } else {
            _ = speech.isNew(nil, isFailing: false)
        }
        return records
    }

    private func inputs(_ plan: Plan, _ budget: BudgetGuard, _ observation: VariantObservation) -> ScalingRecord.Inputs {
        var inputs = ScalingRecord.Inputs()
        (inputs.ready, inputs.running) = (observation.ready, observation.running)
        inputs.oldestWaitSeconds = observation.oldestReadyAt.map { max(observation.now.since($0).seconds, 0) }
        inputs.starting = observation.workers.count(where: \.isStarting)
        inputs.busy = observation.workers.count { $0.activity == .busy }
        inputs.draining = observation.workers.count(where: \.isDraining)
        inputs.idle = observation.workers.count - inputs.starting - inputs.busy - inputs.draining
        inputs.jobsPerSecond = observation.service?.jobsPerSecond
        inputs.startupSeconds = observation.startup?.seconds
        inputs.policyWanted = plan.policyWanted
        if observation.scaling.budget != .init() { inputs.gpuHoursToday = budget.use.gpuHoursToday }
        return inputs
    }

    /// - Returns: whether anything changed that people look at.
    mutating func updateStatus(_ plan: Plan, _ budget: BudgetGuard, _ observation: VariantObservation) -> Bool {
        let before = status
        status.wanted = plan.hold == nil ? plan.desired : max(plan.desired, plan.policyWanted)
        status.starting = observation.workers.count(where: \.isStarting)
        status.draining = observation.workers.count(where: \.isDraining) + plan.drain.count
        status.busy = observation.workers.count { $0.activity == .busy }
        status.have = max(plan.serving - status.starting - plan.drain.count, 0)
        status.startsFailedInRow = backoff.failuresInRow
        status.nextStartAt = plan.hold?.until
        status.jobsPerSecond = observation.service?.jobsPerSecond
        status.startupSeconds = observation.startup?.seconds
        status.budget = observation.scaling.budget == .init() ? nil : budget.use
        (status.state, status.cause) = state(plan)
        let isSame = status.looks(like: before)
        if status.state != before.state || status.cause != before.cause { status.since = observation.now }
        status.lookedAt = observation.now
        return !isSame
    }

    private func state(_ plan: Plan) -> (FleetStatus.State, cause: String?) {
        switch plan.hold?.cause {
        case .budget: return (.overBudget, plan.hold?.words)
        case .capacity: return (.outOfCapacity, plan.hold?.words)
        case .failure: return (backoff.failuresInRow >= Self.failingAfter ? .failing : .backingOff, plan.hold?.words)
        case nil: break
        }
        // While it is tried again it is still not known to be well.
        if let problem, problem.kind != .capacity, plan.desired > 0 {
            return (backoff.failuresInRow >= Self.failingAfter ? .failing : .backingOff, problem.message)
        }
        if status.starting > 0 || plan.desired > plan.serving { return (.starting, nil) }
        if status.draining > 0 { return (.draining, nil) }
        return (plan.desired == 0 ? .asleep : .steady, nil)
    }

    // MARK: Departures

    /// A worker that goes for a reason that is its fleet's, not this machine's.
    struct Departure: Sendable, Equatable {
        var instance: InstanceID
        var kind: ScalingRecord.Kind
        var words: String
    }
    /// More are not written down one by one: who does not lead hears of them too, and writes nothing.
    private static let departuresMax = 256

    mutating func depart(_ instance: InstanceID, _ kind: ScalingRecord.Kind, _ words: String) {
        let departure = Departure(instance: instance, kind: kind, words: words)
        if departures.count < Self.departuresMax, !departures.contains(departure) { departures.append(departure) }
    }

    /// What is to be written of them: one record for those that go together.
    /// - Parameters:
    ///   - serving: workers that serve, after those that do not any more went.
    ///   - stillServing: whether an instance is among these.
    private mutating func speakOfDepartures(
        serving: Int, at now: Timestamp, _ inputs: ScalingRecord.Inputs, stillServing: (InstanceID) -> Bool
    ) -> [ScalingRecord] {
        defer { departures = [] }
        var left = serving + departures.count { !stillServing($0.instance) }
        var rest = departures
        var records: [ScalingRecord] = []
        while let first = rest.first {
            let count = rest.count { $0.kind == first.kind && $0.words == first.words }
            rest.removeAll { $0.kind == first.kind && $0.words == first.words }
            records.append(
                ScalingRecord(
                    at: now, endpoint: endpoint, variant: variant, kind: first.kind, from: left, to: max(left - count, 0), reason: first.words,
                    inputs: inputs))
            left -= count
        }
        return records
    }

    // MARK: Keeping

    mutating func entry(_ records: [ScalingRecord], isDue: Bool, _ observation: VariantObservation) -> ScalingEntry? {
        let age = keptAt.map { observation.now.since($0) }
        let every = meter.hasUsage ? Self.keepEvery : Self.keepAsleepEvery
        guard !records.isEmpty || isDue || !newStarts.isEmpty || age.map({ $0 >= every || $0 < .zero }) ?? true else { return nil }
        return kept(records, at: observation.now)
    }

    /// The store did not keep an entry. What was decided is decided again, and what was counted goes into the next entry.
    /// - Parameters:
    ///   - before: this fleet before it gave the entry. More may have happened to it since, so it cannot simply be what it was.
    public mutating func notKept(_ entry: ScalingEntry, before: Self) {
        meter.putBack(entry.usage)
        newStarts = entry.starts + newStarts
        speech = before.speech
        departures = before.departures + departures
        givenUp.formIntersection(before.givenUp)
        status.lastDecision = before.status.lastDecision
        keptAt = nil
    }

    /// What is to be kept at the end of this process.
    public mutating func lastEntry(price: Double?, at now: Timestamp) -> ScalingEntry? {
        meter.close(endpoint, variant, price: price, at: now)
        let records = speakOfDepartures(serving: status.have + status.starting, at: now, .init()) { _ in true }
        return meter.isEmpty && records.isEmpty ? nil : kept(records, at: now)
    }

    private mutating func kept(_ records: [ScalingRecord], at now: Timestamp) -> ScalingEntry {
        keptAt = now
        let (usage, starts) = (meter.take(), newStarts)
        newStarts = []
        return ScalingEntry(status: status, memory: memory, decisions: records, usage: usage, starts: starts)
    }
}

extension FleetStatus {
    /// Whether people would see no difference worth writing: what is busy, and what was measured, changes all the time.
    fileprivate func looks(like other: Self) -> Bool {
        state == other.state && cause == other.cause && wanted == other.wanted && have == other.have && starting == other.starting
            && draining == other.draining && startsFailedInRow == other.startsFailedInRow && budget?.state == other.budget?.state
    }
}
