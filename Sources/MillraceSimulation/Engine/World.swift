import MillraceCore
import MillraceQueue

/// One simulated deployment: its time, its chance, its parties.
///
/// One task runs it: it takes the next event, and waits for the store where the event asks it. Nothing else runs, so a
/// seed gives the same run each time. Parties talk by messages over ``Network``, and with the store through ``StoreHost``.
final class World {
    let settings: SimulationSettings
    let time = VirtualTime()
    var dice: Dice
    var log = EventLog()
    var report: SimulationReport
    let weather: Weather
    /// The liveness phase: no new faults, no new jobs.
    private(set) var isCalm = false
    private var queue = EventQueue()

    private(set) var network: Network!
    private(set) var host: StoreHost!
    private(set) var auditor: Auditor!
    private(set) var gateways: [Gateway] = []
    private(set) var workers: [SimulatedWorker] = []
    private(set) var clients: [SimulatedClient] = []
    private(set) var receiver: WebhookReceiver!
    private var hand: SimulatedOperator!
    private var chaos: Chaos!

    var now: Int64 { time.now }

    init(seed: UInt64, _ settings: SimulationSettings) throws {
        self.settings = settings
        dice = Dice(seed: seed)
        report = SimulationReport(seed: seed)
        weather = Weather(&dice)
        network = Network(self)
        host = try StoreHost(self, seed: seed)
        auditor = Auditor(self)
        receiver = WebhookReceiver(self, index: 0)
        gateways = (0..<weather.gateways).map { Gateway(self, index: $0) }
        workers = (0..<weather.workers).map { SimulatedWorker(self, index: $0) }
        clients = (0..<weather.clients).map { SimulatedClient(self, index: $0) }
        hand = SimulatedOperator(self, index: 0)
        chaos = Chaos(self)
    }

    /// Runs both phases.
    func run() async throws {
        for gateway in gateways { gateway.start() }
        for worker in workers { worker.start() }
        for client in clients { client.start() }
        hand.start()
        chaos.start()
        while report.steps < settings.steps { try await step() }
        try await auditor.sweep()
        try await auditor.sweepDeliveries()
        try await calmDown()
        let deadline = now + settings.livenessLimit.milliseconds
        while !isAtRest {
            guard now < deadline else { throw auditor.stuck() }
            try await step()
        }
        try await auditor.sweep()
        try await auditor.sweepDeliveries()
        try auditor.verifyEnd()
    }

    /// Cuts the cycles of references between the parties and what they wait for.
    func close() async {
        queue.removeAll()
        await host.close()
    }

    private var isAtRest: Bool {
        auditor.isAtRest && clients.allSatisfy(\.isIdle)
    }

    private func step() async throws {
        guard let (time, action) = queue.takeNext() else { throw Violation(.stuck, nil, "nobody has anything to do any more") }
        self.time.move(to: time)
        report.steps += 1
        try await action()
        if report.steps % settings.sweepEvery == 0 { try await auditor.sweep() }
    }

    /// All faults end: partitions heal, what is down comes up, what is stopped goes on.
    private func calmDown() async throws {
        note("world", "calm")
        isCalm = true
        network.heal()
        try await host.heal()
        for gateway in gateways { gateway.heal() }
        for worker in workers { worker.heal() }
        hand.openAll()
    }
}

extension World {
    /// Does something later.
    func after(_ milliseconds: Int64, _ action: @escaping EventQueue.Action) {
        queue.add(at: now + max(milliseconds, 0), action)
    }

    /// Does something later in the life of a party: not when it died meanwhile, and not before it goes on when it is stopped.
    func after(_ milliseconds: Int64, in party: Party, _ action: @escaping () throws -> Void) {
        let life = party.life
        after(milliseconds) { [self] in try resume(party, life, action) }
    }

    /// Does something now, or when the party goes on, in this life of it.
    func resume(_ party: Party, _ life: Int, _ action: @escaping () throws -> Void) throws {
        guard party.life == life else { return }
        let stop = party.stalledUntil - now
        guard stop > 0 else { return try action() }
        after(stop) { [self] in try resume(party, life, action) }
    }

    func note(_ who: String, _ what: String, job: JobID? = nil, number: Int64 = 0, note: String = "") {
        log.add(now, who, what, job: job, number: number, note: note)
    }

    func fault(_ kind: FaultKind, _ who: String, number: Int64 = 0) {
        report.faults[kind, default: 0] += 1
        log.add(now, who, "fault: " + kind.rawValue, number: number)
    }
}
