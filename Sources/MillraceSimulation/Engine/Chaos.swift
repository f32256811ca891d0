/// Makes the larger faults happen, one after the other, as the run's ``Weather`` has it.
///
/// Clocks: a step moves the store's clock and those of all gateways together, as on one machine, by any size and in both
/// directions. What the promises tolerate: a step back makes leases last longer by its size, until a
/// rescuer has seen and corrected it. A step forwards by more than a
/// lease is seen by every rescuer as an outage, and nothing is rescued for one lease. A smaller one may shorten leases
/// by its size, because expiry is judged by the store's clock; heartbeats come often enough that a living worker has most
/// of its lease left, so the auditor allows a rescue that is early by exactly the steps that came since the last heartbeat.
/// Steps come at least ``stepPause`` apart, so that two of them do not hide each other from a rescuer.
final class Chaos {
    static let stepPause: Int64 = 4 * Timing.lease

    private unowned let world: World
    private var lastStep: Int64 = -Chaos.stepPause

    init(_ world: World) {
        self.world = world
    }

    func start() {
        world.after(world.dice.number(1...2 * world.weather.pause)) { [self] in
            guard !world.isCalm else { return }
            if let kind = world.weather.pickFault(&world.dice) { try await make(kind) }
            start()
        }
    }

    private func make(_ kind: FaultKind) async throws {
        switch kind {
        case .partition: partition()
        case .diskFull: world.host.fill(for: noted(kind, "store", short(40_000)))
        case .slowDisk: world.host.slow(for: noted(kind, "store", short(30_000)))
        case .storeRestart: try await world.host.restart(after: noted(kind, "store", short(30_000)))
        case .gatewayCrash: withGateway { $0.crash(for: noted(kind, $0.name, short(40_000))) }
        case .gatewayStall: withGateway { $0.stop(for: noted(kind, $0.name, short(40_000))) }
        case .workerCrash: withWorker { worker in
            world.fault(kind, worker.name)
            worker.crash()
        }
        case .workerStall: withWorker { $0.stall(for: noted(kind, $0.name, stall())) }
        case .workerDrain: withWorker { worker in
            world.fault(kind, worker.name)
            worker.retire()
        }
        case .clockStep: stepClocks()
        case .messageLost, .messageDoubled, .messageLate, .answerLost, .writeRefused, .leaderLate, .modeSet: break
        }
    }

    /// Mostly short, sometimes up to a limit.
    private func short(_ limit: Int64) -> Int64 {
        world.dice.number(200...(world.dice.chance(0.6) ? limit / 6 : limit))
    }

    /// Often just longer than a lease: its jobs run elsewhere by then, and it does not know.
    private func stall() -> Int64 {
        world.dice.chance(0.5) ? Timing.lease + world.dice.number(0...Timing.lease) : world.dice.number(500...4 * Timing.lease)
    }

    private func noted(_ kind: FaultKind, _ who: String, _ duration: Int64) -> Int64 {
        world.fault(kind, who, number: duration)
        return duration
    }

    private func withGateway(_ body: (Gateway) -> Void) {
        if let gateway = world.dice.pick(world.gateways.filter { $0.isUp && !$0.isStalled }) { body(gateway) }
    }

    private func withWorker(_ body: (SimulatedWorker) -> Void) {
        if let worker = world.dice.pick(world.workers.filter { $0.isUp && !$0.isStalled }) { body(worker) }
    }

    private func partition() {
        let sides: [Party] = world.workers + world.clients + [world.receiver]
        guard let gateway = world.dice.pick(world.gateways) else { return }
        let duration = noted(.partition, gateway.name, short(90_000))
        for side in sides where world.dice.chance(0.4) { world.network.cut(gateway, side, for: duration) }
    }

    private func stepClocks() {
        guard world.now - lastStep >= Self.stepPause else { return }
        lastStep = world.now
        let size = world.dice.chance(0.5) ? world.dice.number(-30_000...30_000) : world.dice.number(-2_000...600_000)
        world.fault(.clockStep, "clocks", number: size)
        world.host.clock.step(by: size)
        for gateway in world.gateways { gateway.clock.step(by: size) }
        world.auditor.clockStepped(by: size)
    }
}
