import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceWire

/// Which machines have joined and what runs on them: a value that is told what happens, and when.
///
/// Nothing of it is kept: agents say everything again with each report, so a gateway that starts anew knows all within a moment.
struct MachineLedger: Sendable {
    struct Machine: Sendable {
        /// Which start of its agent speaks for it; `nil`: none has yet.
        var run: String?
        var key: KeyID?
        var slots: MachineReport.Slots
        /// What it may serve; `nil`: everything.
        var endpoints: Set<String>?
        var isDraining: Bool
        var seenAt: Timestamp
        /// What its agent heard last that ought to run.
        var told: Set<InstanceID>?
    }
    struct Place: Sendable {
        var info: FleetInstance
        var machine: String
        /// Which start of the agent looks after it. Where that is not the one that speaks for the machine, it finishes on its own.
        var run: String?
        var gpu: String?
        /// An earlier gateway placed it, and no agent has said where: it may have any GPU of its machine.
        var mayHaveGPU = false
        /// The agent has said that it runs, so that its absence from a report means something.
        var isReported: Bool
        var isStopping = false
    }

    static let prefix = "joined:"
    /// An agent that was silent for so long gets no new workers: reports follow each other at once.
    static let patience: Duration = .seconds(15)
    /// The workers of an agent that was silent for so long are taken for lost. If they live, they are welcome again.
    static let silenceMax: Duration = .seconds(30)
    /// Who looks at the ledger does so all the time: after a longer gap it stood still itself, and the silence says nothing.
    static let gapMax: Duration = .seconds(5)
    private static let rememberedMax = 1024

    private(set) var machines: [String: Machine] = [:]
    private(set) var places: [InstanceID: Place] = [:]
    /// The last that ended: an end that is told twice counts once.
    private var ended: [InstanceID] = []
    /// The last whose machines fell silent: they may come back.
    private var lost: [FleetInstance] = []
    private var departures: [FleetInterruption] = []
    private var lookedAt: Timestamp?

    static func machine(of instance: InstanceID) -> String? {
        guard instance.hasPrefix(prefix) else { return nil }
        let parts = instance.dropFirst(prefix.count).split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && !parts[1].isEmpty ? String(parts[0]) : nil
    }

    /// Workers that the store knows from before this gateway started: they count until their agents have spoken or stay silent.
    mutating func expect(_ instances: [FleetInstance], at now: Timestamp) {
        for info in instances {
            guard let machine = Self.machine(of: info.id), places[info.id] == nil else { continue }
            places[info.id] = Place(info: info, machine: machine, run: nil, gpu: nil, mayHaveGPU: true, isReported: true)
            if machines[machine] == nil {
                machines[machine] = Machine(
                    run: nil, key: nil, slots: .init(cpu: 0, gpus: []), endpoints: [], isDraining: false, seenAt: now)
            }
        }
    }

    /// Takes a report. A new start of an agent knows nothing of the workers of the one before: those that the store knows finish on their own.
    /// - Parameter known: the workers that the store knows.
    /// - Throws: `state_conflict` while another agent of this name is heard.
    mutating func hear(
        _ report: MachineReport, from access: WorkerAccess, known: [InstanceID: WorkerRecord], at now: Timestamp
    ) throws -> [FleetInterruption] {
        if let machine = machines[report.machine], let run = machine.run, run != report.run,
            now.since(machine.seenAt) <= (machine.key == access.key ? Self.patience : Self.silenceMax)
        {
            throw MillraceError(
                .stateConflict, "another agent speaks for the machine \"\(report.machine)\"",
                hint: "give this machine another name with --name; an agent that was killed is forgotten after \(Self.silenceMax.components.seconds) s")
        }
        let allowed = [access.endpoints, report.endpoints.map(Set.init)].compactMap { $0 }
        machines[report.machine] = Machine(
            run: report.run, key: access.key, slots: report.slots,
            endpoints: allowed.isEmpty ? nil : allowed.dropFirst().reduce(allowed[0]) { $0.intersection($1) },
            isDraining: report.isDraining, seenAt: now, told: machines[report.machine].flatMap { $0.run == report.run ? $0.told : nil })
        if report.isDraining {
            for (id, place) in places where place.machine == report.machine && place.run == report.run {
                letGo(id, known, why: "machine \"\(report.machine)\" stops: its workers finish what they hold")
            }
        }
        var interruptions: [FleetInterruption] = []
        for worker in report.ended {
            guard let info = subject(worker.instance, of: report, access, known) else { continue }
            let isPlanned = worker.status == "exit 0" || worker.wasStopping && worker.status.hasPrefix("signal")
            interruptions += end(
                info, .ended(status: String(worker.status.prefix(256)), expected: isPlanned, stderrTail: String(worker.stderrTail.suffix(8192))))
        }
        for worker in report.workers {
            if let info = subject(worker.instance, of: report, access, known) { note(worker, info, of: report) }
        }
        interruptions += missing(in: report, access, known)
        // An agent that stops and has nothing left says so once, and is gone.
        if report.isDraining, report.workers.isEmpty {
            machines[report.machine] = nil
            for (id, place) in places where place.machine == report.machine && place.run == report.run { places[id] = nil }
        }
        return interruptions
    }

    /// The instance that a report speaks of, as it was ordered or registered. `nil` when nobody knows it, or when it is none of this agent's
    /// business: the work of endpoints that the key is not for.
    private func subject(
        _ id: InstanceID, of report: MachineReport, _ access: WorkerAccess, _ known: [InstanceID: WorkerRecord]
    ) -> FleetInstance? {
        guard Self.machine(of: id) == report.machine else { return nil }
        if let place = places[id], place.run == report.run { return place.info }
        guard let info = places[id]?.info ?? lost.first(where: { $0.id == id }) ?? known[id].map(FleetInstance.init) else { return nil }
        return access.serves(info.endpoint) ? info : nil
    }

    private mutating func note(_ worker: MachineReport.RunningWorker, _ info: FleetInstance, of report: MachineReport) {
        var place = places[info.id] ?? Place(info: info, machine: report.machine, run: report.run, gpu: worker.gpu, isReported: true)
        place.run = report.run
        place.isReported = true
        (place.gpu, place.mayHaveGPU) = (worker.gpu, false)
        place.isStopping = place.isStopping || worker.isStopping || !maySend(info.endpoint, to: report.machine)
        place.info.phase = place.isStopping ? .stopping : .running
        places[info.id] = place
    }

    /// What ought to be in a report and is not.
    private mutating func missing(
        in report: MachineReport, _ access: WorkerAccess, _ known: [InstanceID: WorkerRecord]
    ) -> [FleetInterruption] {
        let running = Set(report.workers.map(\.instance))
        var interruptions: [FleetInterruption] = []
        for (id, place) in places where place.machine == report.machine && !running.contains(id) {
            if place.run == report.run {
                guard place.isReported else { continue }
                interruptions += end(place.info, .ended(status: "gone", expected: place.isStopping, stderrTail: ""))
            } else if access.serves(place.info.endpoint) {
                if known[id] == nil { interruptions += end(place.info, Self.endedAlone) } else { orphan(id, known, why: "agent of the machine \"\(report.machine)\" was started anew") }
            }
        }
        return interruptions
    }

    private static let endedAlone = FleetInterruption.Reason.ended(status: "ended after its agent", expected: true, stderrTail: "")

    /// Its agent is gone: it finishes what it holds, and keeps its slot until the store knows it no more.
    private mutating func orphan(_ id: InstanceID, _ known: [InstanceID: WorkerRecord], why: String) {
        letGo(id, known, why: "\(why): its workers finish what they hold")
        places[id]?.run = nil
    }

    private func isOrphan(_ place: Place) -> Bool {
        machines[place.machine].map { $0.run != place.run } ?? true
    }

    /// The workers of a machine that shall take no more work: all of one that stops, and those that finish on their own.
    func leaving(_ machine: String) -> Set<InstanceID> {
        let isDraining = machines[machine]?.isDraining ?? true
        return Set(places.values.filter { $0.machine == machine && (isDraining || $0.isStopping && isOrphan($0)) }.map(\.info.id))
    }

    /// Those that go for their machine's reasons, told once.
    mutating func takeDepartures() -> [FleetInterruption] {
        defer { departures = [] }
        return departures
    }

    /// What stops or drains already goes for another reason, which was told.
    private mutating func letGo(_ id: InstanceID, _ known: [InstanceID: WorkerRecord], why: String) {
        guard let place = places[id], !place.isStopping else { return }
        if known[id]?.draining != true { departures.append(place.info.ended(.letGo(why: "the \(why)"))) }
        places[id]?.isStopping = true
        places[id]?.info.phase = .stopping
    }

    private mutating func end(_ info: FleetInstance, _ reason: FleetInterruption.Reason) -> [FleetInterruption] {
        places[info.id] = nil
        guard !ended.contains(info.id) else { return [] }
        ended.append(info.id)
        if ended.count > Self.rememberedMax { ended.removeFirst() }
        return [info.ended(reason)]
    }

    /// What ought to run on a machine.
    func wanted(on machine: String) -> [Place] {
        guard let known = machines[machine], !known.isDraining else { return [] }
        return places.values.filter { $0.machine == machine && $0.run == known.run && !$0.isStopping }.sorted { $0.info.id < $1.info.id }
    }

    mutating func told(_ machine: String, _ instances: Set<InstanceID>) { machines[machine]?.told = instances }

    /// Says that somebody looks.
    /// - Returns: whether it is time to sweep.
    mutating func look(at now: Timestamp) -> Bool {
        if let gap = lookedAt.map({ now.since($0) }), gap > Self.gapMax {
            for name in machines.keys { machines[name]!.seenAt = min(now, machines[name]!.seenAt + gap) }
        }
        lookedAt = now
        return machines.values.contains { now.since($0.seenAt) > Self.silenceMax } || places.values.contains(where: isOrphan)
    }

    /// Lets workers of silent agents go, but for those that the store hears: these finish on their own, until it knows them no more.
    /// - Returns: those that are gone, and those of them that are only out of reach.
    mutating func sweep(at now: Timestamp, known: [InstanceID: WorkerRecord]) -> (ended: [FleetInterruption], outOfReach: [InstanceID]) {
        var (interruptions, outOfReach): ([FleetInterruption], [InstanceID]) = ([], [])
        for (id, place) in places where isOrphan(place) && known[id] == nil { interruptions += end(place.info, Self.endedAlone) }
        for (name, machine) in machines where now.since(machine.seenAt) > Self.silenceMax {
            machines[name] = nil
            for (id, place) in places where place.machine == name && place.run == machine.run {
                if let worker = known[id], now.since(worker.seenAt) <= Self.silenceMax {
                    orphan(id, known, why: "machine \"\(name)\" does not answer")
                    continue
                }
                letGo(id, known, why: "machine \"\(name)\" does not answer, nor does this worker: what it holds goes back to the queue")
                // Not among those that ended: it may come back, and end then.
                places[id] = nil
                interruptions.append(
                    place.info.ended(.ended(status: "its machine \"\(name)\" is not heard of any more", expected: true, stderrTail: "")))
                outOfReach.append(id)
                lost.append(place.info)
                if lost.count > Self.rememberedMax { lost.removeFirst() }
            }
        }
        return (interruptions, outOfReach)
    }

    /// Stops what is to retire, and places what is missing where there is room.
    /// - Returns: how many found no room.
    mutating func reconcile(_ target: FleetTarget, device: DeviceChoice, at now: Timestamp, makeID: () -> WorkerID) -> Int {
        for id in target.retire where places[id] != nil {
            places[id]?.isStopping = true
            places[id]?.info.phase = .stopping
        }
        // One that is stopping and still holds work is part of what the target wants.
        var missing = target.desired - places.values.count {
            $0.info.endpoint == target.endpoint && $0.info.variant == target.variant && !target.retire.contains($0.info.id)
        }
        while missing > 0, let (machine, gpu) = room(for: target.endpoint, device: device, at: now) {
            let info = FleetInstance(
                id: "\(Self.prefix)\(machine):\(makeID())", endpoint: target.endpoint, variant: target.variant, phase: .starting, startedAt: now)
            places[info.id] = Place(info: info, machine: machine, run: machines[machine]?.run, gpu: gpu, isReported: false)
            missing -= 1
        }
        return max(0, missing)
    }

    private func maySend(_ endpoint: String, to machine: String) -> Bool {
        guard let endpoints = machines[machine]?.endpoints else { return machines[machine] != nil }
        return endpoints.contains(endpoint)
    }

    /// The machine with the most free slots of the kind that is wanted, and the GPU there; a GPU is taken where one may be.
    private func room(for endpoint: String, device: DeviceChoice, at now: Timestamp) -> (machine: String, gpu: String?)? {
        let open = machines.filter { name, machine in
            !machine.isDraining && now.since(machine.seenAt) <= Self.patience && maySend(endpoint, to: name)
        }
        let free = open.keys.sorted().map { name in
            let taken = places.values.filter { $0.machine == name }
            let gpus = open[name]?.slots.gpus.filter { gpu in !taken.contains { $0.gpu == gpu || $0.mayHaveGPU } } ?? []
            return (name: name, cpu: (open[name]?.slots.cpu ?? 0) - taken.count { $0.gpu == nil }, gpus: gpus)
        }
        if device != .cpu, let best = free.filter({ !$0.gpus.isEmpty }).max(by: { $0.gpus.count < $1.gpus.count }) {
            return (best.name, best.gpus[0])
        }
        guard device != .gpu, let best = free.filter({ $0.cpu > 0 }).max(by: { $0.cpu < $1.cpu }) else { return nil }
        return (best.name, nil)
    }
}

extension FleetInstance {
    init(_ worker: WorkerRecord) {
        self.init(id: worker.instance, endpoint: worker.endpoint, variant: worker.variant, phase: .running, startedAt: worker.startedAt)
    }

    fileprivate func ended(_ reason: FleetInterruption.Reason) -> FleetInterruption {
        FleetInterruption(instance: id, endpoint: endpoint, variant: variant, reason: reason)
    }
}
