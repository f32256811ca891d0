import MillraceCore

/// What people use today, as configurations of the same policies.
public enum Preset: String, Sendable, CaseIterable {
    /// Step alarms on visible messages: 1 worker from 1, 2 from 101, 0 at 0, every minute.
    case step
    /// Target tracking on backlog per instance, 5: every minute, out after 3 minutes above, in after 15 minutes below.
    case sagemaker
    /// The same quotient, polled every 30 s: out at once, in after 300 s.
    case keda
    /// As many workers as there may be, all the time.
    case alwaysOn = "always-on"

    /// - Parameters:
    ///   - min: workers at least, as a cloud's minimum capacity or KEDA's `minReplicaCount`.
    ///   - max: workers at most.
    public func policy(min: Int = 0, max: Int) -> SimulatedPolicy {
        var scaling = ScalingConfiguration()
        (scaling.min, scaling.max) = (min, max)
        switch self {
        case .step:
            let steps = [ScalingConfiguration.Step(from: 1, workers: 1), .init(from: 101, workers: 2)]
            return SimulatedPolicy(name: rawValue, policy: StepPolicy(steps, .any), cadence: .every(60), scaling: scaling)
        case .sagemaker:
            scaling.up.stabilization = .seconds(180)
            scaling.down.stabilization = .seconds(900)
            return SimulatedPolicy(
                name: rawValue, policy: BacklogPerWorkerPolicy(jobs: 5, wakesAtOnce: false, .any), cadence: .every(60), scaling: scaling)
        case .keda:
            scaling.down.stabilization = .seconds(300)
            return SimulatedPolicy(
                name: rawValue, policy: BacklogPerWorkerPolicy(jobs: 5, wakesAtOnce: false, .any), cadence: .every(30), scaling: scaling)
        case .alwaysOn:
            scaling.min = max
            return SimulatedPolicy(name: rawValue, policy: AlwaysPolicy(workers: max), cadence: .every(60), scaling: scaling)
        }
    }
}
