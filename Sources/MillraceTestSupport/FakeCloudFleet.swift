import MillraceCloud
import MillraceCore
import Synchronization

/// A fleet of machines that nobody pays for: they take time to boot, their provider runs out of them and takes them away.
///
/// It does nothing by itself: ``advance()`` makes what is due by the injected clock happen, so that a test or a simulation says when. What
/// it does wrong is what a provider would do wrong; whoever retires a worker that has work is found out by ``retired``.
public final class FakeCloudFleet: Fleet {
    struct Machine {
        var info: FleetInstance
        var readyAt: Timestamp
        /// Taken away then.
        var endsAt: Timestamp?
    }
    private struct State {
        var machines: [InstanceID: Machine] = [:]
        var room: Int
        var refusal: FleetProblem?
        var bootsThatFail = 0
        var nextID = 0
        var started = 0
        var booted: [FleetInstance] = []
        var retired: [FleetInstance] = []
        var targets: [FleetTarget] = []
        var untold: [FleetInterruption] = []
    }
    private let state: Mutex<State>
    private let prefix: String
    private let boot: @Sendable () -> Duration
    private let surroundings: Surroundings
    private let told = AsyncStream<FleetInterruption>.makeStream(bufferingPolicy: .bufferingNewest(1024))

    /// - Parameters:
    ///   - prefix: with which the names of its instances begin.
    ///   - room: machines that the provider has.
    ///   - boot: how long one takes from being asked for until its process begins.
    public init(
        prefix: String = "fake:", room: Int = 100, surroundings: Surroundings, boot: @escaping @Sendable () -> Duration = { .seconds(180) }
    ) {
        state = Mutex(State(room: room))
        self.prefix = prefix
        self.boot = boot
        self.surroundings = surroundings
    }

    // MARK: The seam

    public func reconcile(_ target: FleetTarget) async throws {
        try state.withLock { state in
            state.targets = state.targets.suffix(99) + [target]
            for id in target.retire {
                guard let machine = state.machines.removeValue(forKey: id) else { continue }
                state.retired.append(machine.info)
                tell(&state, machine.info, .ended(status: "terminated", expected: true, stderrTail: ""))
            }
            let mine = state.machines.values.count { $0.info.endpoint == target.endpoint && $0.info.variant == target.variant }
            for _ in 0..<max(0, target.desired - mine) {
                if let refusal = state.refusal { throw refusal }
                guard state.machines.count < state.room else {
                    throw FleetProblem(.capacity, "the provider has no machine left (\(state.room) are taken)")
                }
                start(&state, target)
            }
        }
    }

    private func start(_ state: inout State, _ target: FleetTarget) {
        state.nextID += 1
        state.started += 1
        let info = FleetInstance(
            id: "\(prefix)\(state.nextID)", endpoint: target.endpoint, variant: target.variant, phase: .starting, startedAt: surroundings.now())
        state.machines[info.id] = Machine(info: info, readyAt: surroundings.now() + boot())
    }

    public func instances() async throws -> [FleetInstance] {
        state.withLock { $0.machines.values.map(\.info).sorted { $0.id < $1.id } }
    }

    public func interruptions() -> AsyncStream<FleetInterruption> { told.stream }

    // MARK: What the provider does

    /// Makes happen what is due.
    /// - Returns: when the next thing is.
    @discardableResult
    public func advance() -> Timestamp? {
        state.withLock { state in
            let now = surroundings.now()
            for machine in state.machines.values.sorted(by: { $0.info.id < $1.info.id }) {
                if let end = machine.endsAt, end <= now {
                    state.machines[machine.info.id] = nil
                    tell(&state, machine.info, .ended(status: "taken away", expected: false, stderrTail: ""))
                } else if machine.info.phase == .starting, machine.readyAt <= now {
                    bootOrFail(&state, machine.info)
                }
            }
            return state.machines.values.flatMap { [$0.info.phase == .starting ? $0.readyAt : nil, $0.endsAt].compactMap(\.self) }.min()
        }
    }

    private func bootOrFail(_ state: inout State, _ info: FleetInstance) {
        if state.bootsThatFail > 0 {
            state.bootsThatFail -= 1
            state.machines[info.id] = nil
            tell(&state, info, .ended(status: "exit 3", expected: false, stderrTail: "no such model\n"))
        } else {
            state.machines[info.id]?.info.phase = .running
            state.booted.append(info)
        }
    }

    /// Says that it takes an instance away, and does so at that time.
    public func notice(_ id: InstanceID, endsAt: Timestamp) {
        state.withLock { state in
            guard let machine = state.machines[id], machine.endsAt == nil else { return }
            state.machines[id]?.endsAt = endsAt
            tell(&state, machine.info, .notice(endsAt))
        }
    }

    /// Its process dies.
    public func crash(_ id: InstanceID, status: String = "signal 9") {
        state.withLock { state in
            guard let machine = state.machines.removeValue(forKey: id) else { return }
            tell(&state, machine.info, .ended(status: status, expected: false, stderrTail: ""))
        }
    }

    /// Its process ends by itself, as one that drained does.
    public func exit(_ id: InstanceID) {
        state.withLock { state in
            guard let machine = state.machines.removeValue(forKey: id) else { return }
            tell(&state, machine.info, .ended(status: "exit 0", expected: true, stderrTail: ""))
        }
    }

    public func setRoom(_ count: Int) { state.withLock { $0.room = count } }
    /// Refuses every start with this; `nil`: no more.
    public func refuse(_ problem: FleetProblem?) { state.withLock { $0.refusal = problem } }
    public func failBoots(_ count: Int) { state.withLock { $0.bootsThatFail = count } }

    private func tell(_ state: inout State, _ info: FleetInstance, _ reason: FleetInterruption.Reason) {
        let interruption = FleetInterruption(instance: info.id, endpoint: info.endpoint, variant: info.variant, reason: reason)
        // For whoever takes them by hand; nobody needs more than a few.
        state.untold = state.untold.suffix(999) + [interruption]
        told.continuation.yield(interruption)
    }

    // MARK: What a test asks

    /// Machines that have booted since this was asked last: their workers begin.
    public func takeBooted() -> [FleetInstance] { take(\.booted) }
    /// Machines that were retired since this was asked last.
    public func takeRetired() -> [FleetInstance] { take(\.retired) }
    /// What ``interruptions()`` says, for whoever drives time by hand and has no task that waits.
    public func takeInterruptions() -> [FleetInterruption] { take(\.untold) }
    /// The last 100 targets.
    public var targets: [FleetTarget] { state.withLock { $0.targets } }
    public var started: Int { state.withLock { $0.started } }

    private func take<Element>(_ list: WritableKeyPath<State, [Element]> & Sendable) -> [Element] {
        state.withLock { state in
            defer { state[keyPath: list] = [] }
            return state[keyPath: list]
        }
    }
}
