import Foundation
import Logging
import MillraceCloud
import MillraceCore
import MillraceLocal
import MillraceQueue
import MillraceScaling
import MillraceTestSupport
import Synchronization
import Testing

@testable import MillraceApp

@Suite struct StoreScalingSourceTests {
    private let clock: Clock
    private let store: InMemoryStore
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-scaling-\(UInt64.random(in: 0...UInt64.max))")

    /// How far the store's clock is ahead.
    private final class Clock: Sendable {
        private let ahead = Mutex(Duration.zero)
        var now: Timestamp { Surroundings.system.now() + ahead.withLock { $0 } }
        func step(_ duration: Duration) { ahead.withLock { $0 += duration } }
    }

    init() {
        let clock = Clock()
        self.clock = clock
        store = InMemoryStore(Surroundings(now: { clock.now }, sleep: Surroundings.system.sleep, random: Surroundings.system.random))
    }

    private func source(leader: Leader? = nil) throws -> StoreScalingSource {
        let logger = Logger(label: "test")
        let fleet = try LocalFleet(
            logFolder: folder.path, environment: [:], drainLimit: { _ in .seconds(1) }, surroundings: .system, logger: logger,
            cleanUp: { _ in }
        ) { _, _, _ in ("/bin/true", []) }
        var endpoint = EndpointConfiguration(
            name: "text", modelDirectory: "/m", manifest: ModelManifest(name: "m", runner: .echo), modelVersion: "")
        endpoint.scaling.min = 1
        return StoreScalingSource(
            store: store, endpoints: [endpoint], lease: .seconds(15), adoption: WorkerAdoption(store: store, fleet: fleet, logger: logger),
            startFailures: StartFailures(), leader: leader ?? makeLeader(), surroundings: .system)
    }

    private func makeLeader() -> Leader { Leader(store, role: .scaling, for: .seconds(15), surroundings: .system) }

    @Test func `a paused endpoint shows no reason for a worker`() async throws {
        let now = Surroundings.system.now()
        _ = try await store.admit([NewJob(job: Job(id: Surroundings.system.makeID(), tenant: "t", endpoint: "text", input: RawJSON(.integer(1)), createdAt: now))])
        let source = try source()
        let open = try #require(try await source.observe(instances: []).first)
        #expect(open.ready == 1 && open.scaling.min == 1)
        try await store.setMode(.paused, of: "text", reason: nil)
        let paused = try #require(try await source.observe(instances: []).first)
        #expect(paused.ready == 0 && paused.scaling.min == 0 && paused.oldestReadyAt == nil)
        try await store.setMode(.draining, of: "text", reason: nil)
        #expect(try await source.observe(instances: []).first?.ready == 1)
    }

    @Test func `one source leads, and the next one when it has resigned`() async throws {
        let (first, second) = (try source(), try source())
        #expect(try await first.leads())
        #expect(try await !second.leads())
        await first.resign()
        #expect(try await second.leads())
    }

    @Test func `a drain carries an epoch, and one that is over changes nothing`() async throws {
        let worker = WorkerRecord.fixture(endpoint: "text", in: .system)
        try await store.register(worker)
        // Its own clock stands still, as that of a process that was stopped.
        let stopped = Surroundings.system.now()
        let frozen = Surroundings(now: { stopped }, sleep: Surroundings.system.sleep, random: Surroundings.system.random)
        let source = try source(leader: Leader(store, role: .scaling, for: .seconds(15), surroundings: frozen))
        #expect(try await source.leads())
        clock.step(.seconds(60))
        #expect(try await store.lead(.scaling, as: Surroundings.system.makeID(), for: .seconds(15)) != nil)
        await #expect { try await source.drain([worker.id]) } throws: { ($0 as? MillraceError)?.code == .leadershipLost }
        #expect(try await store.workers().first?.draining == false)
    }
}
