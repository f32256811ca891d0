import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceWire
import Testing

@testable import MillraceGateway

@Suite("The ledger of joined machines")
struct MachineLedgerTests {
    private let start = Timestamp(milliseconds: 1_800_000_000_000)
    private let access = WorkerAccess(key: Surroundings.system.makeID())

    private func report(
        _ machine: String = "m", cpu: Int = 2, gpus: [String] = [], workers: [MachineReport.RunningWorker] = [],
        ended: [MachineReport.EndedWorker] = [], isDraining: Bool = false, endpoints: [String]? = nil, run: String = "1"
    ) -> MachineReport {
        MachineReport(
            machine: machine, run: run, slots: .init(cpu: cpu, gpus: gpus), endpoints: endpoints, isDraining: isDraining, workers: workers,
            ended: ended, waitSeconds: 0)
    }

    private func running(_ place: MachineLedger.Place) -> MachineReport.RunningWorker {
        .init(instance: place.info.id, gpu: place.gpu, isStopping: false)
    }

    private func ended(_ place: MachineLedger.Place, _ status: String = "exit 1") -> MachineReport.EndedWorker {
        .init(instance: place.info.id, status: status, wasStopping: false, stderrTail: "", atRisk: [])
    }

    /// As the store knows a worker.
    private func record(_ id: String, endpoint: String = "e", seenAt: Timestamp? = nil) -> [String: WorkerRecord] {
        let seen = seenAt ?? start
        return [
            id: WorkerRecord(
                id: Surroundings.system.makeID(), endpoint: endpoint, variant: "a", instance: id, host: "h", processID: 1, startedAt: start,
                seenAt: seen, idleSince: seen)
        ]
    }

    private func reconcile(
        _ ledger: inout MachineLedger, _ desired: Int, _ device: DeviceChoice = .auto, retire: Set<InstanceID> = [], at now: Timestamp? = nil
    ) -> Int {
        ledger.reconcile(FleetTarget(endpoint: "e", variant: "a", desired: desired, retire: retire), device: device, at: now ?? start) {
            Surroundings.system.makeID()
        }
    }

    @Test("Workers go to GPUs where they may and there are some, then to the machine with most room, and what finds none is told")
    func placement() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report("big", cpu: 3), from: access, known: [:], at: start)
        _ = try ledger.hear(report("fast", cpu: 1, gpus: ["0", "1"]), from: access, known: [:], at: start)
        #expect(reconcile(&ledger, 3) == 0)
        #expect(ledger.wanted(on: "fast").compactMap(\.gpu).sorted() == ["0", "1"] && ledger.wanted(on: "big").count == 1)
        #expect(reconcile(&ledger, 9) == 3, "six slots in all")
        #expect(reconcile(&ledger, 10, .gpu) == 4)
    }

    @Test("A worker whose start was ordered is not missed before its agent has spoken of it, and then is")
    func missing() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, known: [:], at: start)
        _ = reconcile(&ledger, 1)
        #expect(try ledger.hear(report(), from: access, known: [:], at: start).isEmpty, "the answer may not have come yet")
        let place = try #require(ledger.wanted(on: "m").first)
        #expect(try ledger.hear(report(workers: [running(place)]), from: access, known: [:], at: start).isEmpty)
        let ends = try ledger.hear(report(), from: access, known: [:], at: start)
        #expect(ends.map(\.instance) == [place.info.id])
    }

    @Test("An end that is told twice counts once")
    func ends() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, known: [:], at: start)
        _ = reconcile(&ledger, 1)
        let id = ledger.wanted(on: "m")[0].info.id
        let end = MachineReport.EndedWorker(instance: id, status: "exit 1", wasStopping: false, stderrTail: "no", atRisk: [])
        let heard = try ledger.hear(report(ended: [end]), from: access, known: [:], at: start)
        #expect(heard.map(\.reason) == [.ended(status: "exit 1", expected: false, stderrTail: "no")])
        #expect(try ledger.hear(report(ended: [end]), from: access, known: [:], at: start).isEmpty)
        #expect(ledger.places.isEmpty)
    }

    @Test("A gateway that starts anew learns what runs, keeps it, and lets go what nobody speaks of")
    func restart() throws {
        var before = MachineLedger()
        _ = try before.hear(report(), from: access, known: [:], at: start)
        _ = reconcile(&before, 2)
        let places = before.wanted(on: "m")
        var ledger = MachineLedger()
        ledger.expect(places.map(\.info) + [FleetInstance(id: "local:1", endpoint: "e", variant: "a", phase: .running, startedAt: start)], at: start)
        #expect(ledger.places.count == 2 && ledger.wanted(on: "m").count == 2)
        #expect(reconcile(&ledger, 2) == 0 && ledger.places.count == 2)
        let gone = try ledger.hear(report(workers: [running(places[0])]), from: access, known: [:], at: start)
        #expect(gone.map(\.instance) == [places[1].info.id])
        #expect(ledger.wanted(on: "m").map(\.info.id) == [places[0].info.id])
        var unknown = MachineLedger()
        _ = try unknown.hear(report(workers: [running(places[0])]), from: access, known: [:], at: start)
        #expect(unknown.places.isEmpty, "nobody ordered it and the store does not know it")
        let known = record(places[0].info.id)
        #expect(try unknown.hear(report(workers: [running(places[0])]), from: access, known: known, at: start).isEmpty)
        #expect(unknown.wanted(on: "m").count == 1, "what runs is taken over")
    }

    @Test("A silent machine gets nothing new, then is taken for lost, and is welcome again")
    func silence() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, known: [:], at: start)
        _ = reconcile(&ledger, 1)
        let worker = running(ledger.wanted(on: "m")[0])
        _ = try ledger.hear(report(workers: [worker]), from: access, known: [:], at: start)
        let quiet = start + MachineLedger.patience + .milliseconds(1)
        #expect(reconcile(&ledger, 2, at: quiet) == 1)
        #expect(ledger.sweep(at: start + MachineLedger.silenceMax, known: [:]).ended.isEmpty)
        let lost = start + MachineLedger.silenceMax + .milliseconds(1)
        let swept = ledger.sweep(at: lost, known: record(worker.instance))
        #expect(swept.ended.map(\.instance) == [worker.instance] && swept.outOfReach == [worker.instance] && ledger.places.isEmpty)
        let why = "the machine \"m\" does not answer, nor does this worker: what it holds goes back to the queue"
        #expect(ledger.takeDepartures().map(\.reason) == [.letGo(why: why)])
        #expect(try ledger.hear(report(workers: [worker]), from: access, known: [:], at: lost).isEmpty)
        #expect(ledger.wanted(on: "m").count == 1)
    }

    @Test("One that stops and still holds work counts, and one that may be stopped is")
    func stopping() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(cpu: 4), from: access, known: [:], at: start)
        _ = reconcile(&ledger, 1)
        let first = ledger.wanted(on: "m")[0]
        _ = reconcile(&ledger, 0, retire: [first.info.id])
        #expect(ledger.wanted(on: "m").isEmpty && ledger.places[first.info.id]?.info.phase == .stopping)
        #expect(reconcile(&ledger, 1) == 0 && ledger.wanted(on: "m").isEmpty, "it is still there")
        #expect(reconcile(&ledger, 1, retire: [first.info.id]) == 0 && ledger.wanted(on: "m").count == 1)
    }

    @Test("A machine serves what its key and its owner allow, and no other key speaks for it")
    func permission() throws {
        var ledger = MachineLedger()
        let limited = WorkerAccess(key: access.key, endpoints: ["other", "e"])
        _ = try ledger.hear(report(endpoints: ["other"]), from: limited, known: [:], at: start)
        #expect(reconcile(&ledger, 1) == 1)
        _ = try ledger.hear(report(endpoints: ["e", "third"]), from: limited, known: [:], at: start)
        #expect(reconcile(&ledger, 1) == 0)
        let worker = running(ledger.wanted(on: "m")[0])
        _ = try ledger.hear(report(workers: [worker]), from: WorkerAccess(key: access.key, endpoints: []), known: [:], at: start)
        #expect(ledger.wanted(on: "m").isEmpty, "a key that is for nothing any more")
    }

    @Test("A second agent of a name is refused while the first is heard, whatever its key")
    func twins() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, known: [:], at: start)
        let error = #expect(throws: MillraceError.self) { try ledger.hear(report(run: "2"), from: access, known: [:], at: start + MachineLedger.patience) }
        #expect(error?.code == .stateConflict && error?.hint?.contains("--name") == true)
        let stranger = WorkerAccess(key: Surroundings.system.makeID())
        #expect(throws: MillraceError.self) { try ledger.hear(report(run: "2"), from: stranger, known: [:], at: start + MachineLedger.silenceMax) }
        #expect(throws: Never.self, "its key was changed") { try ledger.hear(report(), from: stranger, known: [:], at: start) }
        #expect(throws: Never.self) { try ledger.hear(report(run: "2"), from: stranger, known: [:], at: start + MachineLedger.patience + .milliseconds(1)) }
    }

    @Test("Workers of an agent that was started again finish, hold their slots, and end when the store knows them no more")
    func orphans() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(cpu: 1), from: access, known: [:], at: start)
        _ = reconcile(&ledger, 1)
        let place = ledger.wanted(on: "m")[0]
        _ = try ledger.hear(report(cpu: 1, workers: [running(place)]), from: access, known: [:], at: start)
        let later = start + MachineLedger.patience + .milliseconds(1)
        let known = record(place.info.id, seenAt: later)
        for _ in 0..<2 { #expect(try ledger.hear(report(cpu: 1, run: "2"), from: access, known: known, at: later).isEmpty) }
        #expect(ledger.leaving("m") == [place.info.id] && ledger.wanted(on: "m").isEmpty)
        #expect(ledger.places[place.info.id]?.info.phase == .stopping && reconcile(&ledger, 2, at: later) == 1, "it has the slot")
        let isDue = ledger.look(at: later)
        #expect(isDue)
        #expect(ledger.sweep(at: later, known: known).ended.isEmpty)
        let swept = ledger.sweep(at: later, known: [:])
        #expect(swept.ended.map(\.reason) == [.ended(status: "ended after its agent", expected: true, stderrTail: "")])
        let isDueStill = ledger.look(at: later)
        #expect(swept.outOfReach.isEmpty && !isDueStill && reconcile(&ledger, 1, at: later) == 0)
    }

    @Test("A GPU that an orphan may have goes to nobody else, also where the gateway was started anew before its agent was")
    func orphanOnGPU() throws {
        var ledger = MachineLedger()
        let known = record("joined:m:7")
        ledger.expect(known.values.map(FleetInstance.init), at: start)
        _ = try ledger.hear(report(cpu: 2, gpus: ["0"], run: "2"), from: access, known: known, at: start)
        #expect(ledger.leaving("m") == ["joined:m:7"])
        #expect(reconcile(&ledger, 2, .gpu) == 1 && ledger.wanted(on: "m").isEmpty)
        #expect(ledger.sweep(at: start, known: [:]).ended.count == 1)
        #expect(reconcile(&ledger, 1, .gpu) == 0 && ledger.wanted(on: "m").map(\.gpu) == ["0"])
    }

    @Test("A worker that the store hears outlives its silent agent, and is left to finish")
    func silentAgent() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, known: [:], at: start)
        _ = reconcile(&ledger, 1)
        let place = ledger.wanted(on: "m")[0]
        _ = try ledger.hear(report(workers: [running(place)]), from: access, known: [:], at: start)
        let lost = start + MachineLedger.silenceMax + .milliseconds(1)
        let swept = ledger.sweep(at: lost, known: record(place.info.id, seenAt: lost))
        #expect(swept.ended.isEmpty && swept.outOfReach.isEmpty && ledger.leaving("m") == [place.info.id])
        #expect(ledger.takeDepartures().map(\.reason) == [.letGo(why: "the machine \"m\" does not answer: its workers finish what they hold")])
        #expect(ledger.sweep(at: lost, known: [:]).ended.map(\.instance) == [place.info.id])
    }

    @Test("A gateway that stood still takes nobody for lost because of it")
    func standstill() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, known: [:], at: start)
        let later = start + .seconds(600)
        var due = [ledger.look(at: start), ledger.look(at: later)]
        #expect(ledger.machines["m"]?.seenAt == later)
        for second in 1...31 { due.append(ledger.look(at: later + .seconds(second))) }
        #expect(due.firstIndex(of: true) == due.count - 1, "silence that was looked at counts")
    }

    @Test("A report speaks of what was ordered or registered alone, and of no endpoint that its key is not for")
    func foreign() throws {
        var ledger = MachineLedger()
        let limited = WorkerAccess(key: access.key, endpoints: ["mine"])
        _ = try ledger.hear(report(), from: limited, known: [:], at: start)
        let place = MachineLedger.Place(
            info: FleetInstance(id: "joined:m:7", endpoint: "e", variant: "a", phase: .running, startedAt: start), machine: "m", run: nil, gpu: nil,
            isReported: true)
        for known in [[:], record("joined:m:7")] {
            #expect(try ledger.hear(report(ended: [ended(place)]), from: limited, known: known, at: start).isEmpty)
            _ = try ledger.hear(report(workers: [running(place)]), from: limited, known: known, at: start)
            #expect(ledger.places.isEmpty)
        }
        #expect(try ledger.hear(report(ended: [ended(place)]), from: access, known: [:], at: start).isEmpty, "nobody knows it")
        var elsewhere = place
        elsewhere.info.id = "joined:x:1"
        #expect(try ledger.hear(report(ended: [ended(elsewhere)]), from: access, known: record("joined:x:1"), at: start).isEmpty)
        let heard = try ledger.hear(report(ended: [ended(place)]), from: access, known: record("joined:m:7"), at: start)
        #expect(heard.map(\.endpoint) == ["e"] && heard.map(\.variant) == ["a"], "as it registered")
    }

    @Test("A machine that stops gets nothing, and is forgotten with its last worker")
    func draining() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, known: [:], at: start)
        _ = reconcile(&ledger, 1)
        let worker = running(ledger.wanted(on: "m")[0])
        _ = try ledger.hear(report(workers: [worker], isDraining: true), from: access, known: [:], at: start)
        #expect(ledger.wanted(on: "m").isEmpty && reconcile(&ledger, 2) == 1)
        #expect(try ledger.hear(report(isDraining: true), from: access, known: [:], at: start).count == 1)
        #expect(ledger.machines.isEmpty && ledger.places.isEmpty)
    }
}
