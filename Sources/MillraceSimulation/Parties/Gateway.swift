import Logging
import MillraceCore
import MillraceQueue

/// A gateway: it keeps nothing, passes calls to the store, and runs the services of the queue by its own clock.
///
/// Its clock may be off by up to ``offsetMax`` from the store's. Leases are judged by the store's clock, and so do not
/// care; but a gateway says since when a worker was not seen, so an offset must stay well under four leases.
final class Gateway: Party {
    static let offsetMax: Int64 = 2_000

    let clock: MachineClock
    /// Of this life: a new process is a new candidate for its roles.
    private var services: GatewayServices
    /// The times in which it was down or stopped, the newest last.
    private(set) var absences: [ClosedRange<Int64>] = []

    init(_ world: World, index: Int) {
        clock = MachineClock(world.time, offset: world.dice.number(-Self.offsetMax...Self.offsetMax), seed: world.dice.seed())
        services = GatewayServices(world, clock: clock)
        super.init(world, "gateway", index: index)
    }

    func start() {
        services.start(self)
        repeatedly(Timing.deliveryPoll) { [self] in claimDeliveries() }
    }

    /// Calls the store. A gateway that dies meanwhile never hears the answer, and its call may have been carried out or not.
    func ask(_ call: StoreCall, _ then: @escaping (StoreResult) throws -> Void) {
        let life = life
        world.after(world.host.delay()) { [self] in
            guard self.life == life || world.dice.chance(0.5) else { return }
            let result = try await world.host.perform(call, for: self)
            world.after(world.host.delay()) { [self] in
                try world.resume(self, life) { try then(result) }
            }
        }
    }

    func repeatedly(_ pause: Int64, _ action: @escaping () throws -> Void) {
        after(world.dice.number(0...pause)) { [self] in try again(pause, action) }
    }

    private func again(_ pause: Int64, _ action: @escaping () throws -> Void) throws {
        try action()
        after(pause) { [self] in try again(pause, action) }
    }

    func crash(for duration: Int64) {
        guard isUp else { return }
        absences.append(world.now...world.now + duration)
        die()
        world.after(duration) { [self] in restart() }
    }

    func stop(for duration: Int64) {
        absences.append(world.now...world.now + duration)
        stall(for: duration)
    }

    func heal() {
        absences = absences.map { $0.lowerBound...max($0.lowerBound, min($0.upperBound, world.now)) }
        goOn()
        restart()
    }

    private func restart() {
        guard !isUp else { return }
        rise()
        services = GatewayServices(world, clock: clock)
        world.note(name, "starts again")
        start()
    }
}
