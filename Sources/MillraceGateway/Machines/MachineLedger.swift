import MillraceCloud
import MillraceCore
import MillraceWire

/// Which machines have joined and what runs on them: a value that is told what happens, and when.
///
/// Nothing of it is kept: agents say everything again with each report, so a gateway that starts anew knows all within a moment.
struct MachineLedger: Sendable {
    struct Machine: Sendable {
        /// `nil`: not heard of yet.
        var key: KeyID?
        var slots: MachineReport.Slots
        /// What it may serve; `nil`: everything.
        var endpoints: Set<String>?
        var isDraining: Bool
        var seenAt: Timestamp
    }
    struct Place: Sendable {
        var info: FleetInstance
        var machine: String
        var gpu: String?
        /// The agent has said that it runs, so that its absence from a report means something.
        var isReported: Bool
        var isStopping = false
    }

    static let prefix = "joined:"
    /// An agent that was silent for so long gets no new workers: reports follow each other at once.
    static let patience: Duration = .seconds(15)
    /// The workers of an agent that was silent for so long are taken for lost. If they live, they are welcome again.
    static let silenceMax: Duration = .seconds(30)
    private static let endedMax = 1024

    private(set) var machines: [String: Machine] = [:]
    private(set) var places: [InstanceID: Place] = [:]
    /// The last that ended: an end that is told twice counts once.
    private var ended: [InstanceID] = []

    static func machine(of instance: InstanceID) -> String? {
        guard instance.hasPrefix(prefix) else { return nil }
        let parts = instance.dropFirst(prefix.count).split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && !parts[1].isEmpty ? String(parts[0]) : nil
    }

    /// Workers that the store knows from before this gateway started: they count until their agents have spoken or stay silent.
    mutating func expect(_ instances: [FleetInstance], at now: Timestamp) {
        for info in instances {
            guard let machine = Self.machine(of: info.id), places[info.id] == nil else { continue }
            places[info.id] = Place(info: info, machine: machine, gpu: nil, isReported: true)
            if machines[machine] == nil {
                machines[machine] = Machine(
                    key: nil, slots: .init(cpu: 0, gpus: []), endpoints: [], isDraining: false, seenAt: now)
            }
        }
    }

    /// - Throws: `forbidden` when a machine of this name, with another key, is there already.
    mutating func hear(_ report: MachineReport, from access: WorkerAccess, at now: Timestamp) throws -> [FleetInterruption] {
        if let known = machines[report.machine], let key = known.key, key != access.key,
            now.since(known.seenAt) < Self.silenceMax
        {
            throw MillraceError(
                .forbidden, "a machine called \"\(report.machine)\" has joined with another key", hint: "give this one another name with --name")
        }
        let allowed = [access.endpoints, report.endpoints.map(Set.init)].compactMap { $0 }
        machines[report.machine] = Machine(
            key: access.key, slots: report.slots, endpoints: allowed.isEmpty ? nil : allowed.dropFirst().reduce(allowed[0]) { $0.intersection($1) },
            isDraining: report.isDraining, seenAt: now)
        var interruptions: [FleetInterruption] = []
        for worker in report.ended where Self.machine(of: worker.instance) == report.machine {
            let isPlanned = worker.status == "exit 0" || worker.wasStopping && worker.status.hasPrefix("signal")
            interruptions += end(
                worker.instance, worker.endpoint, worker.variant,
                .ended(status: worker.status, expected: isPlanned, stderrTail: String(worker.stderrTail.suffix(8192))))
        }
        for worker in report.workers where Self.machine(of: worker.instance) == report.machine { note(worker, on: report.machine) }
        let running = Set(report.workers.map(\.instance))
        for (id, place) in places where place.machine == report.machine && place.isReported && !running.contains(id) {
            interruptions += end(id, place.info.endpoint, place.info.variant, .ended(status: "gone", expected: place.isStopping, stderrTail: ""))
        }
        // An agent that stops and has nothing left says so once, and is gone.
        if report.isDraining, running.isEmpty {
            machines[report.machine] = nil
            for (id, place) in places where place.machine == report.machine { places[id] = nil }
        }
        return interruptions
    }

    private mutating func note(_ worker: MachineReport.RunningWorker, on machine: String) {
        var place =
            places[worker.instance]
            ?? Place(
                info: FleetInstance(
                    id: worker.instance, endpoint: worker.endpoint, variant: worker.variant, phase: .running, startedAt: worker.startedAt),
                machine: machine, gpu: worker.gpu, isReported: true)
        place.isReported = true
        place.gpu = worker.gpu
        place.isStopping = place.isStopping || worker.isStopping || !maySend(worker.endpoint, to: machine)
        place.info.phase = place.isStopping ? .stopping : .running
        places[worker.instance] = place
    }

    private mutating func end(
        _ id: InstanceID, _ endpoint: String, _ variant: String, _ reason: FleetInterruption.Reason
    ) -> [FleetInterruption] {
        places[id] = nil
        guard !ended.contains(id) else { return [] }
        ended.append(id)
        if ended.count > Self.endedMax { ended.removeFirst() }
        return [FleetInterruption(instance: id, endpoint: endpoint, variant: variant, reason: reason)]
    }

    /// What ought to run on a machine.
    func wanted(on machine: String) -> [Place] {
        guard machines[machine]?.isDraining == false else { return [] }
        return places.values.filter { $0.machine == machine && !$0.isStopping }.sorted { $0.info.id < $1.info.id }
    }

    /// Lets workers of silent agents go.
    mutating func sweep(at now: Timestamp) -> [FleetInterruption] {
        var interruptions: [FleetInterruption] = []
        for (name, machine) in machines where now.since(machine.seenAt) > Self.silenceMax {
            machines[name] = nil
            for (id, place) in places where place.machine == name {
                interruptions += end(
                    id, place.info.endpoint, place.info.variant,
                    .ended(status: "its machine \"\(name)\" is not heard of any more", expected: true, stderrTail: ""))
                // It may come back.
                ended.removeAll { $0 == id }
            }
        }
        return interruptions
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
            places[info.id] = Place(info: info, machine: machine, gpu: gpu, isReported: false)
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
            let gpus = open[name]?.slots.gpus.filter { gpu in !taken.contains { $0.gpu == gpu } } ?? []
            return (name: name, cpu: (open[name]?.slots.cpu ?? 0) - taken.count { $0.gpu == nil }, gpus: gpus)
        }
        if device != .cpu, let best = free.filter({ !$0.gpus.isEmpty }).max(by: { $0.gpus.count < $1.gpus.count }) {
            return (best.name, best.gpus[0])
        }
        guard device != .gpu, let best = free.filter({ $0.cpu > 0 }).max(by: { $0.cpu < $1.cpu }) else { return nil }
        return (best.name, nil)
    }
}
