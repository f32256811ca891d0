import MillraceCore
import MillraceQueue

/// The operator: pauses, drains and opens endpoints at random; opens all of them for good when the faults are over.
final class SimulatedOperator: Party {
    init(_ world: World, index: Int) {
        super.init(world, "operator", index: index)
    }

    func start() {
        guard world.weather.operatorPause > 0 else { return }
        after(world.dice.number(1...2 * world.weather.operatorPause)) { [self] in
            guard !world.isCalm else { return }
            act()
            start()
        }
    }

    private func act() {
        let mode: EndpointMode = world.dice.chance(0.4) ? .open : world.dice.chance(0.5) ? .paused : .draining
        guard let endpoint = world.dice.pick(JobSpec.endpoints) else { return }
        world.fault(.modeSet, name)
        set(mode, of: endpoint)
    }

    private func set(_ mode: EndpointMode, of endpoint: String) {
        world.note(name, "wants \(endpoint) to be \(mode.rawValue)")
        let gateway = world.gateways[world.dice.index(world.gateways.count)]
        world.call(self, gateway, timeout: 10_000) { _, answer in
            gateway.setMode(mode, of: endpoint, answer)
        } done: { (_: Result<Void, CallFailure>) in
        }
    }

    /// Again and again: a wish of before may still be on its way.
    func openAll() {
        for endpoint in JobSpec.endpoints { set(.open, of: endpoint) }
        after(20_000) { [self] in openAll() }
    }
}
