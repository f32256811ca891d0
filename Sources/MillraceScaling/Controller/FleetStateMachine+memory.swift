import MillraceCloud
import MillraceCore
import MillraceQueue

// What lasts of a controller.
extension FleetStateMachine {
    private struct Memory: Codable {
        var policy: PolicyMemory
        var demand: DemandHistory
        var backoff: StartBackoff
        var problem: FleetProblem?
        var earlyDeaths: Int
        var lastEarlyDeath: Timestamp?
        var meter: UsageMeter
        var admitted: Int
        var ended: Int
        var run: Duration
        var share: WorkerShare
        var seen: [InstanceID: Bool]
        var speech: DecisionSpeech
        var starting: [InstanceID: Duration]
        var givenUp: Set<InstanceID>
        var noticed: [InstanceID: Timestamp]
    }

    var memory: String {
        let memory = Memory(
            policy: policyMemory, demand: demand, backoff: backoff, problem: problem, earlyDeaths: earlyDeaths,
            lastEarlyDeath: lastEarlyDeath, meter: meter,
            admitted: totals?.admitted ?? 0, ended: totals?.ended ?? 0, run: totals?.run ?? .zero, share: share,
            seen: seen, speech: speech, starting: starting, givenUp: givenUp, noticed: noticed)
        // A number that JSON has no form for costs the memory, not the controller.
        return (try? MillraceJSON.string(memory)) ?? "{}"
    }

    /// What the store says that workers used on a day: the memory may have been another version's.
    mutating func noteUsed(_ usage: WorkerUsage) { meter.noteUsed(usage) }

    /// Goes on where another was. What a version of another age has written is forgotten, but for what people see.
    public init(_ record: FleetRecord) {
        self.init(endpoint: record.status.endpoint, variant: record.status.variant, at: record.status.lookedAt)
        status = record.status
        guard let memory: Memory = try? MillraceJSON.decode(from: record.memory) else { return }
        (policyMemory, demand, backoff, problem) = (memory.policy, memory.demand, memory.backoff, memory.problem)
        (earlyDeaths, lastEarlyDeath, meter) = (memory.earlyDeaths, memory.lastEarlyDeath, memory.meter)
        (share, seen, speech) = (memory.share, memory.seen, memory.speech)
        (starting, givenUp, noticed) = (memory.starting, memory.givenUp, memory.noticed)
        totals = VariantTotals(endpoint: endpoint, variant: variant, admitted: memory.admitted, ended: memory.ended, run: memory.run)
    }
}
