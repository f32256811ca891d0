import Foundation
import Logging
import MillraceCloud
import MillraceCore
import MillraceGateway
import MillraceLocal
import MillraceQueue
import MillraceScaling
import MillraceTestSupport
import MillraceWorker
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
        let data = try DataDirectory(folder.appendingPathComponent("data").path)
        return StoreScalingSource(
            store: store, endpoints: [endpoint], lease: .seconds(15), data: data,
            adoption: WorkerAdoption(store: store, fleet: fleet, data: data, logger: logger),
            joined: JoinedFleet(device: { _ in .auto }, drainLimit: { _ in .seconds(1) }, surroundings: .system),
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

    @Test func `of a dead worker's jobs only those count a crash that it had at risk`() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let worker = WorkerRecord.fixture(endpoint: "text", in: .system)
        try await store.register(worker)
        let jobs = (0..<3).map { _ in
            Job(id: Surroundings.system.makeID(), tenant: "t", endpoint: "text", input: RawJSON(.integer(1)), createdAt: Surroundings.system.now())
        }
        _ = try await store.admit(jobs.map { NewJob(job: $0) })
        let held = try await store.lease(LeaseDemand(worker: worker.id, endpoint: "text", variant: "a", jobsMax: 3, duration: .seconds(15)))
        #expect(held.count == 3)
        let source = try source()
        let path = source.data.atRisk(of: worker.instance)
        let marks = try AtRiskFile(path: path, jobsMax: 4)
        marks.mark([held[0].id, held[1].id])
        marks.unmark([held[0].id])
        _ = try await source.workerEnded(instance: worker.instance, of: "text", status: "signal 6", stderrTail: "")
        var crashes: [Int?] = []
        for job in held { crashes.append(try await store.job(job.id)?.crashes) }
        #expect(crashes == [0, 1, 0])
        #expect(!FileManager.default.fileExists(atPath: path))
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
