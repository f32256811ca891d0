import Logging
import MillraceCloud
import MillraceCore
import MillraceScaling
import ServiceLifecycle
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct AutoscalerTests {
    @Test func `a worker that said goodbye is not taken for one that starts`() async throws {
        let source = ScriptedSource([
            [.init(instance: "w1", id: WorkerID(high: 0, low: 1), activity: .draining(holdsWork: false))],
            // It has left the store, and its process has a moment to live.
            [.init(instance: "w1", id: nil, activity: .starting)],
        ])
        let fleet = RecordingFleet()
        let targets = fleet.targets.stream
        let scaler = Autoscaler(
            source: source, fleet: fleet, policy: BacklogPolicy(), surroundings: .system, logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await scaler.run() }
            var seen: [FleetTarget] = []
            for await target in targets {
                seen.append(target)
                if seen.count == 2 { break }
                source.advance()
            }
            #expect(seen.map(\.desired) == [0, 0])
            #expect(seen.map(\.retire) == [["w1"], ["w1"]])
            group.cancelAll()
        }
    }
}

/// Shows one list of workers after the other.
private final class ScriptedSource: ScalingSource {
    private let script: [[VariantObservation.Worker]]
    private let position = Mutex(0)

    init(_ script: [[VariantObservation.Worker]]) { self.script = script }

    func advance() {
        position.withLock { $0 = min($0 + 1, script.count - 1) }
    }

    func observe(instances: [FleetInstance]) async throws -> [VariantObservation] {
        [
            VariantObservation(
                endpoint: "ocr", variant: "a", scaling: .init(), now: Surroundings.system.now(), ready: 0, running: 0,
                oldestReadyAt: nil, workers: script[position.withLock { $0 }])
        ]
    }

    func drain(_ workers: [WorkerID]) async throws {}
    func workerEnded(instance: InstanceID, of endpoint: String, status: String, stderrTail: String) async throws -> WorkerEnding { .wasReady }
    func nudge() {}
    func hints() -> AsyncStream<Void> { AsyncStream { $0.yield() } }
}

private final class RecordingFleet: Fleet {
    let targets = AsyncStream<FleetTarget>.makeStream()
    func reconcile(_ target: FleetTarget) async throws { targets.continuation.yield(target) }
    func instances() async throws -> [FleetInstance] { [] }
    func interruptions() -> AsyncStream<FleetInterruption> { AsyncStream { _ in } }
}
