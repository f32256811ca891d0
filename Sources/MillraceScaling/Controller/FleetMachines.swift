import MillraceCore
import MillraceQueue
import Synchronization

struct FleetKey: Hashable, Sendable {
    var endpoint: String
    var variant: String

    init(endpoint: String, variant: String) {
        self.endpoint = endpoint
        self.variant = variant
    }

    init(_ observation: VariantObservation) {
        self.init(endpoint: observation.endpoint, variant: observation.variant)
    }
}

/// The state machines of all fleets, which the loops of the controller share.
final class FleetMachines: Sendable {
    private struct State {
        var machines: [FleetKey: FleetStateMachine] = [:]
        /// Under which lead they were read; another gateway may have gone on since.
        var epoch: Int64?
        var isRead = false
    }
    private let state = Mutex(State())
    private let keys: Set<FleetKey>

    init(_ endpoints: [EndpointConfiguration]) {
        keys = Set(endpoints.map { FleetKey(endpoint: $0.name, variant: $0.variant) })
    }

    /// Reads what was kept, at the first look and each time that the lead was taken anew.
    func prepare(for leadership: Leadership?, from store: any Store, at now: Timestamp) async throws {
        let isCurrent = state.withLock { $0.isRead && ($0.epoch == leadership?.epoch || leadership == nil || $0.epoch == nil) }
        if isCurrent { return state.withLock { $0.epoch = leadership?.epoch ?? $0.epoch } }
        let today = try await store.usage(from: Day(of: now), through: Day(of: now))
        let kept = try await store.fleets().filter { keys.contains(FleetKey(endpoint: $0.status.endpoint, variant: $0.status.variant)) }
        state.withLock { state in
            for record in kept {
                var machine = FleetStateMachine(record)
                if !state.isRead { machine.tryAtOnce() }
                state.machines[FleetKey(endpoint: record.status.endpoint, variant: record.status.variant)] = machine
            }
            for usage in today where keys.contains(FleetKey(endpoint: usage.endpoint, variant: usage.variant)) {
                let blank = FleetStateMachine(endpoint: usage.endpoint, variant: usage.variant, at: now)
                state.machines[FleetKey(endpoint: usage.endpoint, variant: usage.variant), default: blank].noteUsed(usage)
            }
            state.epoch = leadership?.epoch
            state.isRead = true
        }
    }

    /// What is not configured has no state that is kept: a fleet may speak of workers of an endpoint that is gone.
    @discardableResult
    func update<Value>(_ key: FleetKey, at now: Timestamp, _ body: (inout FleetStateMachine) -> Value) -> Value {
        state.withLock { state in
            guard keys.contains(key) else {
                var passing = FleetStateMachine(endpoint: key.endpoint, variant: key.variant, at: now)
                return body(&passing)
            }
            return body(&state.machines[key, default: FleetStateMachine(endpoint: key.endpoint, variant: key.variant, at: now)])
        }
    }

    func updateAll(_ body: (inout FleetStateMachine) -> Void) {
        state.withLock { state in
            for key in state.machines.keys { body(&state.machines[key]!) }
        }
    }

    func lastEntries(_ endpoints: [EndpointConfiguration], at now: Timestamp) -> [ScalingEntry] {
        state.withLock { state in
            endpoints.compactMap { state.machines[FleetKey(endpoint: $0.name, variant: $0.variant)]?.lastEntry(price: $0.scaling.price, at: now) }
        }
    }
}
