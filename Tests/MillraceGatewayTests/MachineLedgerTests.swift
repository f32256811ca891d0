import MillraceCloud
import MillraceCore
import MillraceWire
import Testing

@testable import MillraceGateway

@Suite("The ledger of joined machines")
struct MachineLedgerTests {
    private let start = Timestamp(milliseconds: 1_800_000_000_000)
    private let access = WorkerAccess(key: Surroundings.system.makeID())

    private func report(
        _ machine: String = "m", cpu: Int = 2, gpus: [String] = [], workers: [MachineReport.RunningWorker] = [],
        ended: [MachineReport.EndedWorker] = [], isDraining: Bool = false, endpoints: [String]? = nil
    ) -> MachineReport {
        MachineReport(
            machine: machine, host: "h", slots: .init(cpu: cpu, gpus: gpus), endpoints: endpoints, isDraining: isDraining, workers: workers,
            ended: ended, waitSeconds: 0)
    }

    private func running(_ place: MachineLedger.Place) -> MachineReport.RunningWorker {
        .init(instance: place.info.id, endpoint: place.info.endpoint, variant: "a", gpu: place.gpu, startedAt: start, isStopping: false)
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
        _ = try ledger.hear(report("big", cpu: 3), from: access, at: start)
        _ = try ledger.hear(report("fast", cpu: 1, gpus: ["0", "1"]), from: access, at: start)
        #expect(reconcile(&ledger, 3) == 0)
        #expect(ledger.wanted(on: "fast").compactMap(\.gpu).sorted() == ["0", "1"] && ledger.wanted(on: "big").count == 1)
        #expect(reconcile(&ledger, 9) == 3, "six slots in all")
        #expect(reconcile(&ledger, 10, .gpu) == 4)
    }

    @Test("A worker whose start was ordered is not missed before its agent has spoken of it, and then is")
    func missing() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, at: start)
        _ = reconcile(&ledger, 1)
        #expect(try ledger.hear(report(), from: access, at: start).isEmpty, "the answer may not have come yet")
        let place = try #require(ledger.wanted(on: "m").first)
        #expect(try ledger.hear(report(workers: [running(place)]), from: access, at: start).isEmpty)
        let ends = try ledger.hear(report(), from: access, at: start)
        #expect(ends.map(\.instance) == [place.info.id])
    }

    @Test("An end that is told twice counts once")
    func ends() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, at: start)
        _ = reconcile(&ledger, 1)
        let id = ledger.wanted(on: "m")[0].info.id
        let end = MachineReport.EndedWorker(instance: id, endpoint: "e", variant: "a", status: "exit 1", wasStopping: false, stderrTail: "no", atRisk: [])
        let heard = try ledger.hear(report(ended: [end]), from: access, at: start)
        #expect(heard.map(\.reason) == [.ended(status: "exit 1", expected: false, stderrTail: "no")])
        #expect(try ledger.hear(report(ended: [end]), from: access, at: start).isEmpty)
        #expect(ledger.places.isEmpty)
    }

    @Test("A gateway that starts anew learns what runs, keeps it, and lets go what nobody speaks of")
    func restart() throws {
        var before = MachineLedger()
        _ = try before.hear(report(), from: access, at: start)
        _ = reconcile(&before, 2)
        let places = before.wanted(on: "m")
        var ledger = MachineLedger()
        ledger.expect(places.map(\.info) + [FleetInstance(id: "local:1", endpoint: "e", variant: "a", phase: .running, startedAt: start)], at: start)
        #expect(ledger.places.count == 2 && ledger.wanted(on: "m").count == 2)
        #expect(reconcile(&ledger, 2) == 0 && ledger.places.count == 2)
        let gone = try ledger.hear(report(workers: [running(places[0])]), from: access, at: start)
        #expect(gone.map(\.instance) == [places[1].info.id])
        #expect(ledger.wanted(on: "m").map(\.info.id) == [places[0].info.id])
        var unknown = MachineLedger()
        #expect(try unknown.hear(report(workers: [running(places[0])]), from: access, at: start).isEmpty)
        #expect(unknown.wanted(on: "m").count == 1, "what runs is taken over")
    }

    @Test("A silent machine gets nothing new, then is taken for lost, and is welcome again")
    func silence() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, at: start)
        _ = reconcile(&ledger, 1)
        let worker = running(ledger.wanted(on: "m")[0])
        _ = try ledger.hear(report(workers: [worker]), from: access, at: start)
        let quiet = start + MachineLedger.patience + .milliseconds(1)
        #expect(reconcile(&ledger, 2, at: quiet) == 1)
        #expect(ledger.sweep(at: start + MachineLedger.silenceMax).isEmpty)
        let lost = start + MachineLedger.silenceMax + .milliseconds(1)
        #expect(ledger.sweep(at: lost).map(\.instance) == [worker.instance] && ledger.places.isEmpty)
        #expect(try ledger.hear(report(workers: [worker]), from: access, at: lost).isEmpty)
        #expect(ledger.wanted(on: "m").count == 1)
    }

    @Test("One that stops and still holds work counts, and one that may be stopped is")
    func stopping() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(cpu: 4), from: access, at: start)
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
        _ = try ledger.hear(report(endpoints: ["other"]), from: limited, at: start)
        #expect(reconcile(&ledger, 1) == 1)
        _ = try ledger.hear(report(endpoints: ["e", "third"]), from: limited, at: start)
        #expect(reconcile(&ledger, 1) == 0)
        let worker = running(ledger.wanted(on: "m")[0])
        _ = try ledger.hear(report(workers: [worker]), from: WorkerAccess(key: access.key, endpoints: []), at: start)
        #expect(ledger.wanted(on: "m").isEmpty, "a key that is for nothing any more")
        let stranger = WorkerAccess(key: Surroundings.system.makeID())
        #expect(throws: MillraceError.self) { try ledger.hear(report(), from: stranger, at: start) }
        #expect(try ledger.hear(report(), from: stranger, at: start + MachineLedger.silenceMax).count == 1, "a new key for a machine that was away")
        let foreign = MachineReport.RunningWorker(instance: "joined:x:1", endpoint: "e", variant: "a", gpu: nil, startedAt: start, isStopping: false)
        _ = try ledger.hear(report(workers: [foreign]), from: stranger, at: start + MachineLedger.silenceMax)
        #expect(ledger.places.isEmpty, "it cannot speak of another's workers")
    }

    @Test("A machine that stops gets nothing, and is forgotten with its last worker")
    func draining() throws {
        var ledger = MachineLedger()
        _ = try ledger.hear(report(), from: access, at: start)
        _ = reconcile(&ledger, 1)
        let worker = running(ledger.wanted(on: "m")[0])
        _ = try ledger.hear(report(workers: [worker], isDraining: true), from: access, at: start)
        #expect(ledger.wanted(on: "m").isEmpty && reconcile(&ledger, 2) == 1)
        #expect(try ledger.hear(report(isDraining: true), from: access, at: start).count == 1)
        #expect(ledger.machines.isEmpty && ledger.places.isEmpty)
    }
}
