import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceScaling
import Testing

@Suite struct FleetStateMachineTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    private func worker(_ name: String, _ activity: VariantObservation.Worker.Activity) -> VariantObservation.Worker {
        .init(instance: name, id: WorkerID(high: 0, low: UInt64(name.utf8.reduce(0) { $0 * 31 + Int($1) })), activity: activity)
    }

    private func sight(
        at seconds: Double = 0, ready: Int = 0, _ workers: [VariantObservation.Worker] = [], ended: Int = 0, admitted: Int = 0,
        configure: (inout ScalingConfiguration) -> Void = { _ in }
    ) -> FleetSight {
        var scaling = ScalingConfiguration()
        scaling.max = 4
        configure(&scaling)
        let now = start + .milliseconds(Int64(seconds * 1000))
        return FleetSight(
            VariantObservation(
                endpoint: "ocr", variant: "a", scaling: scaling, now: now, ready: ready, running: 0,
                oldestReadyAt: ready > 0 ? now - .seconds(2) : nil, workers: workers),
            totals: VariantTotals(endpoint: "ocr", variant: "a", admitted: admitted, ended: ended, run: .seconds(ended)),
            wantedAt: Dictionary(uniqueKeysWithValues: workers.map { ($0.instance, start) }))
    }

    private func machine() -> FleetStateMachine { FleetStateMachine(endpoint: "ocr", variant: "a", at: start) }
    private func end(_ name: String, readyAfter: Double? = nil) -> WorkerEnd {
        WorkerEnd(
            instance: name, status: "exit 3", expected: false, readyAt: readyAfter.map { start + .milliseconds(Int64($0 * 1000)) },
            stderrTail: "no such model\n")
    }

    @Test func `a job that comes to nobody starts a worker, and it is written down once with its inputs`() throws {
        var machine = machine()
        let first = machine.look(sight(ready: 1), by: PlainPolicy())
        #expect(first.target.desired == 1 && first.target.retire.isEmpty)
        let record = try #require(first.decisions.first)
        #expect(record.kind == .up && record.from == 0 && record.to == 1 && record.reason == "1 workers: 1 jobs waiting")
        #expect(record.inputs.ready == 1 && record.inputs.oldestWaitSeconds == 2 && record.inputs.policyWanted == 1)
        #expect(first.entry?.status.state == .starting)
        // The provider has not shown it yet: the same again, said once.
        #expect(machine.look(sight(at: 1, ready: 1), by: PlainPolicy()).decisions.isEmpty)
        let shown = machine.look(sight(at: 2, ready: 1, [worker("w1", .starting(since: start))]), by: PlainPolicy())
        #expect(shown.decisions.isEmpty && shown.target.desired == 1 && shown.entry?.starts.map(\.instance) == ["w1"])
        #expect(machine.look(sight(at: 3, [worker("w1", .busy)]), by: PlainPolicy()).entry?.status.state == .steady)
    }

    @Test func `an idle worker is marked first, and retired when the store shows it draining without work`() {
        var machine = machine()
        let idle = worker("w1", .idle(since: start - .seconds(60)))
        let marked = machine.look(sight([idle, worker("w2", .busy)]), by: PlainPolicy())
        #expect(marked.drain == [idle.id!] && marked.target.retire.isEmpty && marked.target.desired == 2)
        #expect(marked.decisions.map(\.kind) == [.down] && marked.target.protectUntil.keys.contains("w2"))
        // It took a job just before it was marked: it may finish.
        let works = machine.look(sight(at: 1, [worker("w1", .draining(holdsWork: true)), worker("w2", .busy)]), by: PlainPolicy())
        #expect(works.target.retire.isEmpty && works.target.desired == 2 && works.target.protectUntil.count == 2)
        let done = machine.look(sight(at: 2, [worker("w1", .draining(holdsWork: false)), worker("w2", .busy)]), by: PlainPolicy())
        #expect(done.target.retire == ["w1"] && done.target.desired == 1)
    }

    @Test func `a silent worker is marked as draining before it is stopped`() {
        var machine = machine()
        var sight = sight([worker("w1", .idle(since: start))])
        sight.silent = [sight.observation.workers[0].id!]
        let actions = machine.look(sight, by: PlainPolicy())
        #expect(actions.drain == sight.silent && actions.target.retire.isEmpty)
        #expect(actions.decisions.first?.reason == "1 of its workers have been silent for too long")
    }

    @Test func `workers that die before they are ready are started again after longer and longer pauses, with the cause shown`() throws {
        var machine = machine()
        _ = machine.look(sight(ready: 1), by: PlainPolicy())
        machine.ended(end("w1"), price: nil, at: start)
        let held = machine.look(sight(at: 0.5, ready: 1), by: PlainPolicy())
        #expect(held.target.desired == 0 && held.lookAgainAt == start + .seconds(1))
        #expect(held.decisions.map(\.kind) == [.hold])
        #expect(held.entry?.status.state == .backingOff)
        #expect(held.entry?.status.cause == "its last worker could not start (exit 3): no such model")
        #expect(machine.look(sight(at: 0.7, ready: 1), by: PlainPolicy()).decisions.isEmpty, "said again")
        #expect(machine.look(sight(at: 1, ready: 1), by: PlainPolicy()).target.desired == 1)
        machine.ended(end("w2"), price: nil, at: start + .seconds(1))
        machine.ended(end("w3"), price: nil, at: start + .seconds(1))
        let failing = machine.look(sight(at: 1.5, ready: 1), by: PlainPolicy())
        #expect(failing.entry?.status.state == .failing && failing.entry?.status.startsFailedInRow == 3)
        #expect(failing.lookAgainAt == start + .seconds(5))
        // One comes up: all is well.
        let up = machine.look(sight(at: 6, ready: 1, [worker("w4", .starting(since: start + .seconds(5)))]), by: PlainPolicy())
        #expect(up.entry?.status.state == .failing)
        let well = machine.look(sight(at: 8, [worker("w4", .busy)]), by: PlainPolicy())
        #expect(well.entry?.status.state == .steady && well.entry?.status.cause == nil && well.entry?.status.startsFailedInRow == 0)
    }

    @Test func `workers that die soon after they are ready are forgiven twice, then they back off`() {
        var machine = machine()
        for _ in 0..<2 { machine.ended(end("w", readyAfter: 0), price: nil, at: start + .seconds(2)) }
        #expect(machine.look(sight(at: 3, ready: 1), by: PlainPolicy()).target.desired == 1)
        machine.ended(end("w", readyAfter: 2), price: nil, at: start + .seconds(4))
        let held = machine.look(sight(at: 4, ready: 1), by: PlainPolicy())
        #expect(held.target.desired == 0)
        #expect(held.entry?.status.cause == "its workers die soon after they are ready (exit 3): no such model")
        // One that lived for long was no part of it.
        machine.ended(end("w", readyAfter: 5), price: nil, at: start + .seconds(60))
        #expect(machine.look(sight(at: 60, ready: 1), by: PlainPolicy()).target.desired == 1)
    }

    @Test func `workers that are seen ready before each of their deaths are noticed to crash in a loop, also beside one that lives`() {
        var machine = machine()
        let old = worker("old", .idle(since: start))
        func look(_ seconds: Double, _ workers: [VariantObservation.Worker], ended: Int = 0, readyAt: Double? = nil) -> FleetActions {
            var sight = sight(at: seconds, ready: 1, [old] + workers, ended: ended)
            sight.readyAt = ["old": start - .seconds(3600)]
            for worker in workers { sight.readyAt[worker.instance] = readyAt.map { start + .milliseconds(Int64($0 * 1000)) } }
            return machine.look(sight, by: PlainPolicy())
        }
        for round in 0..<3 {
            let begin = Double(round) * 2
            #expect(look(begin, [], ended: round).target.desired == 2)
            _ = look(begin + 0.1, [worker("w\(round)", .idle(since: start))], ended: round, readyAt: begin + 0.1)
            machine.ended(end("w\(round)", readyAfter: begin + 0.1), price: nil, at: start + .milliseconds(Int64(begin * 1000) + 900))
        }
        let held = look(5, [], ended: 9)
        #expect(held.target.desired == 1 && held.entry?.status.state == .backingOff)
        #expect(held.entry?.status.cause == "its workers die soon after they are ready (exit 3): no such model")
        // The next one is ready: that proves nothing yet, but that it lives on does.
        let ready = look(7, [worker("w3", .idle(since: start))], ended: 9, readyAt: 6.5)
        #expect(ready.entry?.status.state == .backingOff)
        #expect(look(37, [worker("w3", .busy)], ended: 9, readyAt: 6.5).entry?.status.startsFailedInRow == 0)
    }

    @Test func `a job that new workers bring to its end shows that they do not crash in a loop`() {
        var machine = machine()
        for second in 1...3 { machine.ended(end("w", readyAfter: Double(second)), price: nil, at: start + .seconds(second)) }
        #expect(machine.look(sight(at: 3.5, ready: 1), by: PlainPolicy()).entry?.status.state == .backingOff)
        var next = sight(at: 6, ready: 0, [worker("w4", .busy)])
        next.readyAt = ["w4": start + .seconds(5)]
        #expect(machine.look(next, by: PlainPolicy()).entry?.status.state == .backingOff)
        next.totals?.ended = 1
        #expect(machine.look(next, by: PlainPolicy()).entry?.status.state == .steady)
    }

    @Test func `a fleet without room is a state with its cause, tried again when a place is free`() {
        var machine = machine()
        _ = machine.look(sight(ready: 2), by: PlainPolicy())
        machine.refused(FleetProblem(.capacity, "all 4 slots of this machine are taken"), at: start)
        let held = machine.look(sight(at: 0.1, ready: 2), by: PlainPolicy())
        #expect(held.target.desired == 0 && held.entry?.status.state == .outOfCapacity)
        #expect(held.decisions.first?.reason == "all 4 slots of this machine are taken; wanted: 2 workers: 2 jobs waiting")
        #expect(held.entry?.status.wanted == 2)
        machine.roomWasMade()
        #expect(machine.look(sight(at: 0.2, ready: 2), by: PlainPolicy()).target.desired == 2)
    }

    @Test func `a day's budget warns, then starts nothing and drains the rest, and opens at midnight`() throws {
        var machine = machine()
        let day = { (scaling: inout ScalingConfiguration) in scaling.budget.gpuHoursPerDayMax = 1; scaling.price = 2 }
        let workers = [worker("w1", .busy), worker("w2", .idle(since: start))]
        let look = { (seconds: Double) in machine.look(self.sight(at: seconds, workers, configure: { day(&$0); $0.min = 2 }), by: PlainPolicy()) }
        let early = stride(from: 0, through: 1400, by: 40).map { look(Double($0)) }
        #expect(early.dropFirst().allSatisfy { $0.decisions.isEmpty } && early.last!.lookAgainAt! <= start + .seconds(1441))
        let warned = look(1441)
        #expect(warned.decisions.map(\.kind) == [.warning] && warned.decisions[0].reason == "0.8 of 1 GPU-hours of today are used")
        // Of two workers at 2 an hour.
        let cost = (early + [warned]).flatMap { $0.entry?.usage ?? [] }.reduce(0) { $0 + $1.cost }
        #expect((cost * 100).rounded() == 160)
        for seconds in stride(from: 1480, through: 1800, by: 40) { _ = look(Double(seconds)) }
        let capped = machine.look(sight(at: 1801, ready: 3, workers, configure: { day(&$0); $0.min = 2 }), by: PlainPolicy())
        #expect(Set(capped.drain) == Set(workers.map { $0.id! }) && capped.target.retire.isEmpty, "drained, not stopped")
        #expect(capped.entry?.status.state == .overBudget)
        #expect(capped.decisions.first?.reason == "the budget of 1 GPU-hours a day is used up until midnight UTC")
        let empty = machine.look(sight(at: 1900, ready: 3, configure: day), by: PlainPolicy())
        #expect(empty.target.desired == 0 && empty.decisions.map(\.kind) == [.hold] && empty.lookAgainAt == start + .seconds(86_400))
        #expect(empty.entry?.status.nextStartAt == start + .seconds(86_400))
        #expect(machine.look(sight(at: 86_400, ready: 3, configure: day), by: PlainPolicy()).target.desired == 3)
    }

    @Test func `a rate of cost limits how many serve at once`() {
        var machine = machine()
        let rate = { (scaling: inout ScalingConfiguration) in scaling.budget.costPerHourMax = 3; scaling.price = 1.2 }
        let grown = machine.look(sight(ready: 9, configure: rate), by: PlainPolicy())
        #expect(grown.target.desired == 2)
        let held = machine.look(sight(at: 1, ready: 9, [worker("w1", .busy), worker("w2", .busy)], configure: rate), by: PlainPolicy())
        #expect(held.target.desired == 2 && held.drain.isEmpty && held.entry?.status.state == .overBudget)
        #expect(held.entry?.status.cause == "3 an hour pay for 2 workers at 1.2 each")
        let three = [worker("w1", .busy), worker("w2", .idle(since: start)), worker("w3", .busy)]
        #expect(machine.look(sight(at: 2, ready: 9, three, configure: rate), by: PlainPolicy()).drain == [three[1].id!], "the idle one goes")
    }

    @Test func `a rate of cost warns before it is reached, and those that drain and work are paid in place of new ones`() {
        var machine = machine()
        let rate = { (scaling: inout ScalingConfiguration) in scaling.budget.costPerHourMax = 3; scaling.price = 1.2 }
        let one = machine.look(sight(ready: 0, [worker("w1", .busy)], configure: rate), by: PlainPolicy())
        #expect(one.decisions.map(\.kind) == [.warning] && one.decisions.first?.reason == "1 worker costs 1.2 of 3 an hour")
        let leaving = [worker("w1", .busy), worker("w2", .draining(holdsWork: true))]
        let held = machine.look(sight(at: 1, ready: 5, leaving, configure: rate), by: PlainPolicy())
        #expect(held.target.desired == 2 && held.drain.isEmpty && held.decisions.last?.kind == .hold)
        let over = machine.look(sight(at: 2, ready: 5, leaving + [worker("w3", .busy)], configure: rate), by: PlainPolicy())
        #expect(over.target.desired == 3 && over.drain.isEmpty, "nobody is pushed out by one that goes anyway")
    }

    @Test func `a budget of hours warns also where one of cost is reached all day, and each warns once`() {
        var machine = machine()
        let both = { (scaling: inout ScalingConfiguration) in
            (scaling.budget.gpuHoursPerDayMax, scaling.budget.costPerHourMax, scaling.price) = (1, 1, 1)
        }
        let records = stride(from: 0, through: 3700, by: 50).flatMap { seconds in
            machine.look(sight(at: Double(seconds), ready: 9, [worker("w1", .busy)], configure: both), by: PlainPolicy()).decisions
        }
        #expect(records.filter { $0.kind == .warning }.map(\.reason) == ["1 an hour pay for 1 worker at 1 each", "0.81 of 1 GPU-hours of today are used"])
        #expect(records.last?.reason.hasPrefix("the budget of 1 GPU-hours a day is used up") == true)
    }

    @Test func `what a budget holds back is written down once, however often more is wanted`() {
        var machine = machine()
        let rate = { (scaling: inout ScalingConfiguration) in scaling.budget.costPerHourMax = 1; scaling.price = 1 }
        let records = (0..<20).flatMap { second in
            machine.look(sight(at: Double(second), ready: second % 2 == 0 ? 5 : 0, [worker("w1", .busy)], configure: rate), by: PlainPolicy()).decisions
        }
        #expect(records.count { $0.kind == .hold } == 1)
    }

    @Test func `a worker that never comes is given up, with the cause shown, and holds nobody up`() {
        var machine = machine()
        let never = VariantObservation.Worker(instance: "w1", id: nil, activity: .starting(since: start))
        let waiting = stride(from: 0, through: 1800, by: 50).map { machine.look(sight(at: Double($0), ready: 1, [never]), by: PlainPolicy()) }
        #expect(waiting.allSatisfy { $0.target.retire.isEmpty } && machine.status.state == .starting)
        let late = machine.look(sight(at: 1801, ready: 1, [never]), by: PlainPolicy())
        #expect(late.target.retire == ["w1"] && late.target.desired == 0 && late.drain.isEmpty)
        #expect(late.decisions.map(\.kind) == [.down])
        #expect(late.decisions.first?.reason == "its last worker was not ready after 30 minutes")
        #expect(late.entry?.status.state == .backingOff && late.entry?.status.cause == late.decisions.first?.reason)
        // Its end is no second failure, and another is started after the pause.
        machine.ended(end("w1"), price: nil, at: start + .milliseconds(1_801_100))
        #expect(machine.look(sight(at: 1801.5, ready: 1), by: PlainPolicy()).target.desired == 0)
        let again = machine.look(sight(at: 1802, ready: 1), by: PlainPolicy())
        #expect(again.target.desired == 1 && machine.status.startsFailedInRow == 1)
    }

    @Test func `workers that start together and never come are one failure`() {
        var machine = machine()
        func look(_ second: Double, _ workers: [VariantObservation.Worker]) -> FleetActions { machine.look(sight(at: second, ready: 3, workers), by: PlainPolicy()) }
        let never = ["w1", "w2", "w3"].map { VariantObservation.Worker(instance: $0, id: nil, activity: .starting(since: start)) }
        for second in stride(from: 0.0, through: 1800, by: 50) { _ = look(second, never) }
        let late = look(1801, never)
        #expect(late.target.retire.count == 3 && late.decisions.map(\.kind) == [.down] && late.decisions[0].from == 3 && late.decisions[0].to == 0)
        for second in [1801.1, 1801.2, 1801.3] { #expect(look(second, never).decisions.isEmpty) }
        for worker in never { machine.ended(end(worker.instance), price: nil, at: start + .seconds(1802)) }
        #expect(machine.look(sight(at: 1802, ready: 3), by: PlainPolicy()).entry?.status.startsFailedInRow == 1)
    }

    @Test func `who goes for its fleet's reasons is written down with them, those that go together in one, also when it is heard of later`() {
        var machine = machine()
        let workers = ["w1", "w2", "w3"].map { worker($0, .busy) }
        _ = machine.look(sight(workers), by: PlainPolicy())
        machine.letGo("w1", why: "the machine \"m\" stops")
        machine.letGo("w2", why: "the machine \"m\" stops")
        machine.letGo("w2", why: "the machine \"m\" stops")
        let gone = [worker("w1", .draining(holdsWork: true)), workers[1], workers[2]]
        let before = machine
        let actions = machine.look(sight(at: 1, gone), by: PlainPolicy())
        #expect(actions.decisions.map(\.kind) == [.down] && actions.decisions[0].from == 3 && actions.decisions[0].to == 1)
        #expect(actions.decisions[0].reason == "the machine \"m\" stops")
        #expect(machine.look(sight(at: 2, gone), by: PlainPolicy()).decisions.isEmpty, "said once")
        machine.notKept(actions.entry!, before: before)
        #expect(machine.look(sight(at: 3, gone), by: PlainPolicy()).decisions.map(\.reason) == actions.decisions.map(\.reason), "until it was kept")
        machine.letGo("w3", why: "the machine \"n\" does not answer")
        #expect(machine.lastEntry(price: nil, at: start + .seconds(4))?.decisions.count == 1, "also at the end of a server")
    }

    @Test func `a worker whose model hangs is marked before it is stopped, and one that always takes long is waited for`() {
        var machine = machine()
        let hanging = worker("w1", .starting(since: start))
        for second in stride(from: 0, through: 1800, by: 50) { _ = machine.look(sight(at: Double(second), ready: 1, [hanging]), by: PlainPolicy()) }
        let late = machine.look(sight(at: 1801, ready: 1, [hanging]), by: PlainPolicy())
        #expect(late.drain == [hanging.id!] && late.target.retire.isEmpty)
        machine.notKept(late.entry!, before: machine)
        let marked = machine.look(sight(at: 1802, ready: 1, [worker("w1", .draining(holdsWork: false))]), by: PlainPolicy())
        #expect(marked.target.retire == ["w1"])

        // What its model may take, it is given twice.
        var model = self.machine()
        let looks = stride(from: 0, through: 7300, by: 50).map { second in
            var sight = sight(at: Double(second), ready: 1, [hanging])
            sight.startMax = .seconds(3600)
            return model.look(sight, by: PlainPolicy()).drain.isEmpty ? 0 : second
        }
        #expect(looks.first { $0 > 0 } == 7250)

        // One that was out of reach comes back, and has not said yet that it is ready; and a machine sleeps.
        var old = self.machine()
        _ = old.look(sight(at: 86_400, ready: 1), by: PlainPolicy())
        #expect(old.look(sight(at: 86_402, ready: 1, [hanging]), by: PlainPolicy()).drain.isEmpty)
        #expect(old.look(sight(at: 186_402, ready: 1, [hanging]), by: PlainPolicy()).drain.isEmpty)

        var slow = self.machine()
        var ready = sight(at: 600, ready: 1, [worker("w1", .idle(since: start + .seconds(600)))])
        ready.readyAt = ["w1": start + .seconds(600)]
        _ = slow.look(ready, by: PlainPolicy())
        let second = VariantObservation.Worker(instance: "w2", id: nil, activity: .starting(since: start))
        let retired = stride(from: 650, through: 3800, by: 50).map { slow.look(sight(at: Double($0), ready: 1, [second]), by: PlainPolicy()).target.retire }
        #expect(retired.firstIndex { !$0.isEmpty } == 61)
    }

    @Test func `a worker that its provider takes away while it starts is given no work, and its end is nobody's failure`() {
        var machine = machine()
        machine.noticed("w1", held: nil, endsAt: start + .seconds(120))
        let starting = machine.look(sight(at: 11, ready: 1, [.init(instance: "w1", id: nil, activity: .starting(since: start))]), by: PlainPolicy())
        #expect(starting.recall.isEmpty && starting.decisions.map(\.kind) == [.notice] && starting.decisions[0].from == 1 && starting.decisions[0].to == 0)
        #expect(starting.decisions[0].reason.hasSuffix("it had not come so far as to take jobs"))
        let registered = worker("w1", .idle(since: start + .seconds(60)))
        #expect(machine.look(sight(at: 60, ready: 1, [registered]), by: PlainPolicy()).recall == [registered.id!])
        machine.noticed("w2", held: 1, endsAt: start)
        let entry = machine.look(sight(at: 60, ready: 1, [registered]), by: PlainPolicy()).entry
        var kept = FleetStateMachine(FleetRecord(status: machine.status, memory: entry?.memory ?? ""))
        #expect(kept.look(sight(at: 61, ready: 1, [registered]), by: PlainPolicy()).recall == [registered.id!], "forgotten by the next gateway")
        machine.ended(end("w1"), price: nil, at: start + .seconds(120))
        #expect(machine.look(sight(at: 121, ready: 1), by: PlainPolicy()).target.desired == 1)
    }

    @Test func `to have had no room is not to have failed to start`() {
        var machine = machine()
        for second in 0..<5 { machine.refused(FleetProblem(.capacity, "full"), at: start + .seconds(second)) }
        machine.ended(end("w1"), price: nil, at: start + .seconds(60))
        _ = machine.look(sight(at: 60.5, ready: 1), by: PlainPolicy())
        #expect(machine.status.state == .backingOff && machine.status.startsFailedInRow == 1)
    }

    @Test func `time in which nobody looked is not charged, and a clock that was set back does not make workers free`() {
        var machine = machine()
        let used = { (seconds: Double) in
            (machine.look(self.sight(at: seconds, [self.worker("w1", .busy)]), by: PlainPolicy()).entry?.usage ?? []).reduce(0) { $0 + $1.usedSeconds }
        }
        _ = used(0)
        #expect(used(30) == 30)
        #expect(used(30_000) == 60, "the machine slept")
        #expect(used(-3600) == 0 && used(-3570) == 30, "it is paid before it was asked for, by that clock")
    }

    @Test func `a paused endpoint's worker goes because it is paused`() {
        var machine = machine()
        var sight = sight([worker("w1", .idle(since: start - .seconds(60)))])
        sight.observation.isPaused = true
        #expect(machine.look(sight, by: PlainPolicy()).decisions.map(\.reason) == ["0 workers: the endpoint is paused"])
    }

    @Test func `usage is counted from being wanted to the end, busy time by what is seen, and split at midnight`() throws {
        var machine = machine()
        let sights = [
            sight(at: 86_390), sight(at: 86_390, [worker("w1", .busy)]), sight(at: 86_395, [worker("w1", .busy)], ended: 1),
            sight(at: 86_420, [worker("w1", .idle(since: start + .seconds(86_405)))], ended: 1),
        ]
        let usage = sights.flatMap { machine.look($0, by: PlainPolicy()).entry?.usage ?? [] }
        let all = usage.reduce(into: WorkerUsage(day: Day(number: 0), endpoint: "", variant: "")) { $0 += $1 }
        #expect(all.usedSeconds == 30 && all.busySeconds == 15 && all.jobs == 1 && all.runSeconds == 1 && all.alwaysOnSeconds == 120)
        #expect(Set(usage.map(\.day)) == [Day(of: start), Day(of: start + .seconds(86_400))])
    }

    @Test func `a pause that lies further ahead than any is one of another clock, and holds nothing up`() {
        let now = Timestamp(milliseconds: 1_767_225_600_000)
        var backoff = StartBackoff()
        backoff.failed(at: now)
        #expect(backoff.waitsUntil(now) == now + .seconds(1))
        #expect(backoff.waitsUntil(now - .seconds(3600)) == nil)
    }

    @Test func `what is kept lets another go on: backoff, problem, usage of the day, and nothing counted twice`() throws {
        var machine = machine()
        let configure = { (scaling: inout ScalingConfiguration) in scaling.budget.gpuHoursPerDayMax = 10 }
        _ = machine.look(sight(ready: 1, [worker("w1", .busy)], configure: configure), by: PlainPolicy())
        machine.ended(end("w2"), price: nil, at: start + .milliseconds(39_800))
        let entry = try #require(machine.look(sight(at: 40, ready: 2, [worker("w1", .busy)], configure: configure), by: PlainPolicy()).entry)
        #expect(entry.usage.first?.usedSeconds == 40)
        var next = FleetStateMachine(FleetRecord(status: entry.status, memory: entry.memory))
        #expect(next.status == machine.status)
        let held = next.look(sight(at: 40.5, ready: 2, [worker("w1", .busy)], configure: configure), by: PlainPolicy())
        #expect(held.target.desired == 1, "the backoff was forgotten")
        #expect(held.entry == nil || held.entry?.usage.first?.usedSeconds == 0.5)
        #expect(next.status.budget.map { ($0.gpuHoursToday * 3600).rounded() } == 41)
        #expect(FleetStateMachine(FleetRecord(status: entry.status, memory: "nonsense")).status == entry.status)
    }
}
