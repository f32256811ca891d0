import MillraceCore

/// What lies between the parties: every message and every answer takes its own time, and may be lost, doubled or late.
final class Network {
    private unowned let world: World
    private var cuts: Set<Set<String>> = []

    init(_ world: World) {
        self.world = world
    }

    func isCut(_ one: Party, _ other: Party) -> Bool {
        !cuts.isEmpty && cuts.contains([one.name, other.name])
    }

    func cut(_ one: Party, _ other: Party, for duration: Int64) {
        cuts.insert([one.name, other.name])
        world.after(duration) { [self] in cuts.remove([one.name, other.name]) }
    }

    func heal() {
        cuts = []
    }

    /// When the copies of a message arrive: none, one or two.
    func trips(_ sender: Party, _ receiver: Party, mayBeDoubled: Bool) -> [Int64] {
        guard !world.isCalm else { return [world.dice.number(1...10)] }
        let weather = world.weather
        if isCut(sender, receiver) { return [] }
        if world.dice.chance(weather.lossRate) {
            world.fault(.messageLost, sender.name)
            return []
        }
        guard mayBeDoubled, world.dice.chance(weather.doubleRate) else { return [trip(sender)] }
        world.fault(.messageDoubled, sender.name)
        return [trip(sender), trip(sender)]
    }

    private func trip(_ sender: Party) -> Int64 {
        guard world.dice.chance(world.weather.lateRate) else {
            return world.dice.chance(0.05) ? world.dice.number(100...2_000) : world.dice.number(1...40)
        }
        world.fault(.messageLate, sender.name)
        return world.dice.number(5_000...180_000)
    }
}

/// A request and its way back. However many copies of both travel, the caller hears one end.
final class Call {
    fileprivate(set) var isOver = false
    private let caller: Party
    private let life: Int

    init(_ caller: Party) {
        self.caller = caller
        life = caller.life
    }

    /// Whether the caller has given up or died: its connection is closed.
    var isHungUp: Bool { isOver || isOrphan }
    fileprivate var isOrphan: Bool { caller.life != life }
}

enum CallFailure: Error {
    case noAnswer
    case refused(MillraceError)

    var code: ErrorCode? { if case .refused(let error) = self { error.code } else { nil } }
}

extension World {
    typealias Answer<Value> = (Result<Value, MillraceError>) throws -> Void

    /// Calls a party. `done` is called once, in the caller's life, with the first answer or when the time is over.
    func call<Value>(
        _ caller: Party, _ callee: Party, timeout: Int64, mayBeDoubled: Bool = true,
        handle: @escaping (Call, @escaping Answer<Value>) throws -> Void,
        done: @escaping (Result<Value, CallFailure>) throws -> Void
    ) {
        let call = Call(caller)
        func end(_ result: Result<Value, CallFailure>) throws {
            guard !call.isOver else { return }
            call.isOver = true
            // An answer to an earlier life is nobody's.
            if !call.isOrphan { try done(result) }
        }
        after(timeout, in: caller) { try end(.failure(.noAnswer)) }
        for trip in network.trips(caller, callee, mayBeDoubled: mayBeDoubled) {
            after(trip) { [self] in
                guard !network.isCut(caller, callee) else { return }
                guard callee.isUp else {
                    return after(2, in: caller) { try end(.failure(.noAnswer)) }
                }
                try resume(callee, callee.life) { [self] in
                    try handle(call) { [self] result in
                        for trip in network.trips(callee, caller, mayBeDoubled: false) {
                            after(trip, in: caller) { try end(result.mapError { .refused($0) }) }
                        }
                    }
                }
            }
        }
    }
}
