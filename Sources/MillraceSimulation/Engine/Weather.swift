import MillraceCore

/// How bad it is in this run: each seed has its own mix, so that rare faults are sometimes frequent and sometimes absent.
///
/// Source of the idea: Groce et al., "Swarm Testing", ISSTA 2012.
struct Weather {
    var gateways: Int
    var workers: Int
    var clients: Int
    /// Mean virtual time between two wishes of a client.
    var clientPause: Int64
    /// Of messages.
    var lossRate: Double
    var doubleRate: Double
    var lateRate: Double
    /// Of calls of the store.
    var answerLostRate: Double
    var refusedRate: Double
    /// Of writes of a leader.
    var lateLeaderRate: Double
    /// What the endpoints allow, by name.
    var quotas: [String: EndpointQuotas]
    /// Finished jobs that an endpoint keeps.
    var finishedMax: Int?
    /// Mean virtual time between two wishes of the operator; 0: there is none.
    var operatorPause: Int64
    /// Weights of the larger faults; 0: not in this run.
    var weights: [(FaultKind, Int)]
    /// Mean virtual time between two of them.
    var pause: Int64

    static let larger: [FaultKind] = [
        .partition, .diskFull, .slowDisk, .storeRestart, .gatewayCrash, .gatewayStall, .workerCrash, .workerStall, .workerDrain,
        .clockStep,
    ]

    init(_ dice: inout Dice) {
        gateways = 1 + dice.index(3)
        workers = 4 + dice.index(3)
        clients = 2 + dice.index(4)
        clientPause = dice.chance(0.5) ? 1_000 : dice.number(1_000...12_000)
        func rate(_ max: Int64) -> Double { dice.chance(0.3) ? 0 : Double(dice.number(1...max)) / 1000 }
        lossRate = rate(50)
        doubleRate = rate(40)
        lateRate = rate(15)
        answerLostRate = rate(20)
        refusedRate = rate(20)
        lateLeaderRate = rate(60)
        quotas = Dictionary(uniqueKeysWithValues: JobSpec.endpoints.map { ($0, Self.quotas(&dice)) })
        finishedMax = dice.chance(0.3) ? Int(dice.number(10...100)) : nil
        operatorPause = dice.chance(0.4) ? 0 : dice.number(5_000...60_000)
        weights = Self.larger.map { ($0, dice.chance(0.3) ? 0 : (1 + dice.index(10)) * ($0 == .workerStall ? 3 : 1)) }
        pause = dice.number(1_500...12_000)
    }

    /// Half of the endpoints are without any.
    private static func quotas(_ dice: inout Dice) -> EndpointQuotas {
        guard dice.chance(0.5) else { return EndpointQuotas() }
        return EndpointQuotas(endpoint: quota(&dice, scale: 3), tenant: quota(&dice, scale: 1))
    }

    private static func quota(_ dice: inout Dice, scale: Int) -> Quota {
        let rates = [RateLimit(jobs: 2, per: .seconds(1), burst: 20), RateLimit(jobs: 30, per: .seconds(60), burst: 10)]
        return Quota(
            queuedMax: dice.chance(0.5) ? scale * Int(dice.number(3...40)) : nil,
            runningMax: dice.chance(0.5) ? scale * Int(dice.number(1...6)) : nil,
            rate: dice.chance(0.3) ? dice.pick(rates) : nil)
    }

    func pickFault(_ dice: inout Dice) -> FaultKind? {
        let sum = weights.reduce(0) { $0 + $1.1 }
        guard sum > 0 else { return nil }
        var left = dice.index(sum)
        for (kind, weight) in weights {
            if left < weight { return kind }
            left -= weight
        }
        return nil
    }
}
