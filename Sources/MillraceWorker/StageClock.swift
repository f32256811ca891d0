import MillraceCore
import MillraceInference
import Synchronization

/// Measures the stages of a worker's jobs.
final class StageClock: Sendable {
    private let state = Mutex(StageTimes())

    var times: StageTimes { state.withLock { $0 } }

    /// What fails is not measured: it says little of what succeeds.
    func measure<Value>(_ stage: StageTimes.Stage, _ body: () async throws -> Value) async rethrows -> Value {
        let begun = Surroundings.monotonic()
        let value = try await body()
        note(stage, (Surroundings.monotonic() - begun).seconds)
        return value
    }

    func note(_ stage: StageTimes.Stage, _ seconds: Double) {
        state.withLock { $0.note(stage, seconds: seconds) }
    }
}
