import MillraceCore

/// So many jobs, waiting and running, for each worker: target tracking on backlog per instance, and KEDA's quotient.
public struct BacklogPerWorkerPolicy: ScalingPolicy {
    private let jobs: Double
    /// Target tracking waits out its window even with nobody there; this starts one worker at once.
    private let wakesAtOnce: Bool
    private let scaleIn: ScaleIn

    public init(jobs: Double) {
        self.init(jobs: jobs, wakesAtOnce: true, .idleOnly)
    }

    init(jobs: Double, wakesAtOnce: Bool, _ scaleIn: ScaleIn) {
        self.jobs = jobs
        self.wakesAtOnce = wakesAtOnce
        self.scaleIn = scaleIn
    }

    public func decide(_ observation: VariantObservation, _ memory: inout PolicyMemory) -> ScalingDecision {
        let scaling = observation.scaling
        let backlog = observation.ready + observation.running
        let asked = Int((Double(backlog) / jobs).rounded(.up)).clamped(to: observation.limits)
        let current = observation.serving
        var wanted = memory.stabilized(asked, current: current, up: scaling.up, down: scaling.down, at: observation.now)
        if wakesAtOnce, current == 0, observation.ready > 0 { wanted = max(wanted, 1).clamped(to: observation.limits) }
        return observation.decision(
            for: wanted, scaleIn,
            reason: "\(Words.workers(wanted)): \(Words.jobs(backlog)) waiting or running, \(Words.number(jobs)) for each worker")
    }
}
