import Logging
import MillraceCloud
import MillraceCore
import MillraceScaling
import MillraceTestSupport
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

    @Test func `a shared fleet is left alone until this gateway leads, and the lead is given back at the end`() async throws {
        let source = ScriptedSource([[.init(instance: "w1", id: nil, activity: .starting)]], leads: [false, false, true])
        let fleet = RecordingFleet()
        let scaler = Autoscaler(
            source: source, fleet: fleet, ownership: .shared, policy: BacklogPolicy(), surroundings: .system, logger: Logger(label: "test"))
        try await runUntilFirstTarget(scaler, fleet)
        #expect(source.asked == 3)
        #expect(source.hasResigned)
    }

    @Test func `a fleet of its own is scaled whoever leads`() async throws {
        let source = ScriptedSource([[.init(instance: "w1", id: nil, activity: .starting)]], leads: [false])
        let fleet = RecordingFleet()
        try await runUntilFirstTarget(
            Autoscaler(source: source, fleet: fleet, policy: BacklogPolicy(), surroundings: .system, logger: Logger(label: "test")), fleet)
        #expect(source.asked == 0)
    }

    @Test func `hints that come all the time make it look every tenth of a second`() async throws {
        let clock = ManualClock()
        let source = ScriptedSource([[]], leads: [true])
        let fleet = RecordingFleet()
        let scaler = Autoscaler(
            source: source, fleet: fleet, ownership: .shared, policy: BacklogPolicy(), surroundings: clock.surroundings, logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await scaler.run() }
            var targets = fleet.targets.stream.makeAsyncIterator()
            for look in 1...3 {
                _ = await targets.next()
                try await clock.waitForSleepers(1)
                clock.advance(by: .milliseconds(99))
                #expect(source.asked == look)
                clock.advance(by: .milliseconds(1))
            }
            group.cancelAll()
        }
    }

    private func runUntilFirstTarget(_ scaler: Autoscaler, _ fleet: RecordingFleet) async throws {
        let targets = fleet.targets.stream
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await scaler.run() }
            for await _ in targets { break }
            group.cancelAll()
        }
    }
}

/// Shows one list of workers after the other.
private final class ScriptedSource: ScalingSource {
    private let script: [[VariantObservation.Worker]]
    private let position = Mutex(0)
    private let answers: [Bool]
    private let lead = Mutex((asked: 0, resigned: false))

    init(_ script: [[VariantObservation.Worker]], leads: [Bool] = [true]) {
        self.script = script
        answers = leads
    }

    /// How often it was asked whether it leads.
    var asked: Int { lead.withLock { $0.asked } }
    var hasResigned: Bool { lead.withLock { $0.resigned } }

    func leads() async throws -> Bool {
        lead.withLock { lead in
            defer { lead.asked += 1 }
            return answers[min(lead.asked, answers.count - 1)]
        }
    }

    func resign() async { lead.withLock { $0.resigned = true } }

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
