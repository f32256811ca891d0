import Logging
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceScaling
import MillraceSimulation
import MillraceTestSupport
import ServiceLifecycle
import Testing

@Suite(.timeLimit(.minutes(1))) struct ScalingControllerTests {
    private let clock = ManualClock()
    private let store: InMemoryStore
    private let fleet: FakeCloudFleet

    init() {
        store = InMemoryStore(clock.surroundings)
        fleet = FakeCloudFleet(room: 3, surroundings: clock.surroundings) { .seconds(10) }
    }

    private func controller(_ ownership: FleetOwnership = .shared, over proxy: (any Store)? = nil, configure: (inout ScalingConfiguration) -> Void = { _ in }) -> ScalingController {
        var endpoint = EndpointConfiguration(name: "ocr", modelDirectory: "/m", manifest: ModelManifest(name: "m", runner: .echo), modelVersion: "")
        endpoint.scaling.max = 4
        configure(&endpoint.scaling)
        return ScalingController(
            store: proxy ?? store, fleet: fleet, ownership: ownership, endpoints: [endpoint], policy: PlainPolicy(), surroundings: clock.surroundings,
            logger: Logger(label: "test"))
    }

    private func submit(_ count: Int = 1) async throws {
        _ = try await store.admit((0..<count).map { _ in NewJob(job: .fixture(in: clock.surroundings)) })
    }

    /// A job that wakes the fleet, until its first instance has booted.
    private func wake(_ controller: ScalingController) async throws -> FleetInstance {
        try await submit()
        // What is decided in the first look is seen in the second.
        await controller.step()
        await controller.step()
        clock.advance(by: .seconds(10))
        fleet.advance()
        return try #require(fleet.takeBooted().first)
    }

    /// The worker of an instance, ready.
    private func begin(_ instance: FleetInstance) async throws -> WorkerID {
        var record = WorkerRecord.fixture(instance: instance.id, in: clock.surroundings)
        record.readyAt = clock.now
        try await store.register(record)
        return record.id
    }

    private func lease(_ worker: WorkerID) async throws -> [Job] {
        _ = try await store.touch(worker, readyAt: nil)
        return try await store.lease(LeaseDemand(worker: worker, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15)))
    }

    @Test func `a submit starts a worker without any poll, and says why`() async throws {
        let controller = controller(.own)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await controller.run() }
            group.addTask { try await controller.accounting.run() }
            // It has looked, found nothing, and rests for the least time between two looks.
            try await clock.waitForSleepers(1)
            clock.advance(by: .milliseconds(100))
            try await submit()
            // No time passes from here on.
            try await eventually { fleet.started == 1 }
            let record = try #require(try await store.decisions(of: "ocr", before: nil, limit: 5).first)
            #expect(record.kind == .up && record.to == 1 && record.inputs.ready == 1)
            group.cancelAll()
        }
    }

    @Test func `one gateway acts, and another takes over within seconds when it falls silent`() async throws {
        let (first, second) = (controller(), controller())
        try await submit()
        await first.step()
        await second.step()
        #expect(fleet.started == 1 && fleet.targets.count == 1)
        // The first one is gone. Nobody acts until its time is over.
        try await submit(1)
        clock.advance(by: .seconds(2))
        await second.step()
        #expect(fleet.targets.count == 1)
        clock.advance(by: .seconds(3))
        await second.step()
        #expect(fleet.started == 2)
        // It went on where the first was: nothing is decided twice.
        #expect(try await store.decisions(of: nil, before: nil, limit: 9).map(\.to) == [2, 1])
        // The first one wakes up, and learns that it leads no more.
        await first.step()
        #expect(fleet.targets.count == 2)
    }

    @Test func `who resigns is followed at once`() async throws {
        let (first, second) = (controller(), controller())
        await first.step()
        await first.leave()
        try await submit()
        await second.step()
        #expect(fleet.started == 1)
    }

    @Test func `a crash between the decision and the start loses nothing: the next one starts it`() async throws {
        fleet.refuse(FleetProblem(.image, "as if it had died"))
        try await submit()
        await controller().step()
        #expect(fleet.started == 0)
        #expect(try await store.decisions(of: nil, before: nil, limit: 9).map(\.kind) == [.up], "it was written before it was done")
        fleet.refuse(nil)
        clock.advance(by: .seconds(6))
        await controller().step()
        #expect(fleet.started == 1)
    }

    @Test func `what could not be written is not done, and written before it is done later`() async throws {
        let flaky = FlakyStore(store)
        let controller = controller(over: flaky)
        await controller.step()
        clock.advance(by: .seconds(20))
        try await submit()
        flaky.fails = [.keep]
        await controller.step()
        #expect(fleet.started == 0)
        clock.advance(by: .seconds(2))
        await controller.step()
        #expect(fleet.started == 0)
        flaky.fails = []
        await controller.step()
        #expect(fleet.started == 1)
        #expect(try await store.decisions(of: nil, before: nil, limit: 9).map(\.kind) == [.up])
        let day = Day(of: clock.now)
        #expect(try await store.usage(from: day, through: day).first?.alwaysOnSeconds == 88, "what was counted is not lost")
    }

    @Test func `what workers use while their server stops is counted, to their end`() async throws {
        let controller = controller(.own)
        let instance = try await wake(controller)
        _ = try await lease(try await begin(instance))
        await controller.step()
        // Nobody looks from here on.
        clock.advance(by: .seconds(90))
        fleet.exit(instance.id)
        for interruption in fleet.takeInterruptions() { await controller.heard(interruption) }
        clock.advance(by: .seconds(5))
        await controller.leave()
        let day = Day(of: clock.now)
        #expect(try await store.usage(from: day, through: day).first?.usedSeconds == 100)
    }

    @Test func `one that lives on is counted until its server ends`() async throws {
        let controller = controller(.own)
        try await submit()
        await controller.step()
        await controller.step()
        clock.advance(by: .seconds(40))
        await controller.leave()
        let day = Day(of: clock.now)
        #expect(try await store.usage(from: day, through: day).first?.usedSeconds == 40)
    }

    @Test func `new room is used at once, and a new server does not wait for what another one was waiting for`() async throws {
        let first = controller()
        fleet.setRoom(0)
        try await submit()
        await first.step()
        fleet.setRoom(3)
        await first.step()
        #expect(fleet.started == 0)
        first.roomWasMade()
        await first.step()
        #expect(fleet.started == 1)
        fleet.failBoots(1)
        clock.advance(by: .seconds(10))
        fleet.advance()
        for interruption in fleet.takeInterruptions() { await first.heard(interruption) }
        await first.step()
        #expect(fleet.started == 1)
        await first.leave()
        await controller().step()
        #expect(fleet.started == 2)
    }

    @Test func `a worker's end is heard also when the store cannot be told`() async throws {
        let flaky = FlakyStore(store)
        let controller = controller(over: flaky)
        try await submit()
        await controller.step()
        fleet.failBoots(1)
        clock.advance(by: .seconds(10))
        fleet.advance()
        flaky.fails = [.workers]
        for interruption in fleet.takeInterruptions() { await controller.heard(interruption) }
        flaky.fails = []
        await controller.step()
        #expect(try await store.fleets().first?.status.state == .backingOff && fleet.started == 1)
    }

    @Test func `a full fleet is a visible state with its cause, and what could be started is`() async throws {
        let controller = controller()
        try await submit(4)
        await controller.step()
        #expect(fleet.started == 3)
        await controller.step()
        let status = try #require(try await store.fleets().first?.status)
        #expect(status.state == .outOfCapacity && status.cause == "the provider has no machine left (3 are taken)" && status.wanted == 4)
        #expect(try await store.decisions(of: nil, before: nil, limit: 9).map(\.kind) == [.hold, .up])
    }

    @Test func `a worker that is taken away gives its work back at once, uncounted, and another is started`() async throws {
        let controller = controller()
        let instance = try await wake(controller)
        let job = try #require(try await lease(try await begin(instance)).first)
        await controller.step()
        fleet.notice(instance.id, endsAt: clock.now + .seconds(120))
        for interruption in fleet.takeInterruptions() { await controller.heard(interruption) }
        let back = try #require(try await store.job(job.id))
        #expect(back.state == .queued && back.attempt == 0)
        #expect(try await store.workers().first?.draining == true)
        await controller.step()
        #expect(fleet.started == 2 && fleet.takeRetired().map(\.id) == [instance.id])
        let notice = try #require(try await store.decisions(of: nil, before: nil, limit: 9).first { $0.kind == .notice })
        #expect(notice.reason == "its provider takes a worker away at \(clock.now + .seconds(120)); 1 jobs that it held go back to the queue")
    }

    @Test func `a worker that dies without a word has its leases ended, and a start that fails is shown`() async throws {
        let controller = controller()
        try await submit()
        await controller.step()
        fleet.failBoots(1)
        clock.advance(by: .seconds(10))
        fleet.advance()
        for interruption in fleet.takeInterruptions() { await controller.heard(interruption) }
        await controller.step()
        let status = try #require(try await store.fleets().first?.status)
        #expect(status.state == .backingOff && status.cause == "its last worker could not start (exit 3): no such model")
        clock.advance(by: .seconds(1))
        await controller.step()
        #expect(fleet.started == 2)
    }

    @Test func `a busy worker is never retired, whatever is wanted`() async throws {
        let controller = controller { $0.idle = .seconds(5) }
        let instance = try await wake(controller)
        let worker = try await begin(instance)
        let job = try #require(try await lease(worker).first)
        for _ in 0..<20 {
            clock.advance(by: .seconds(1))
            _ = try await store.touch(worker, readyAt: nil)
            await controller.step()
        }
        #expect(fleet.takeRetired().isEmpty)
        #expect(fleet.targets.last?.protectUntil[instance.id] != nil)
        _ = try await store.settle([AttemptReport(job: job.id, token: job.lease!.token, outcome: .succeeded(outputs: []))])
        clock.advance(by: .seconds(5))
        await controller.step()
        #expect(try await store.workers().first?.draining == true && fleet.takeRetired().isEmpty, "marked before it is stopped")
        await controller.step()
        #expect(fleet.takeRetired().map(\.id) == [instance.id])
    }

    @Test func `who dies between a look and what it asks for is not replaced before it is known why`() async throws {
        let flaky = FlakyStore(store)
        let controller = controller(.own, over: flaky)
        try await submit()
        await controller.step()
        // The provider's machine dies while the next decision is written.
        flaky.onKeep = { [fleet] in if let first = try await fleet.instances().first { fleet.crash(first.id) } }
        try await submit()
        await controller.step()
        #expect(fleet.started == 2 && fleet.targets.last?.desired == 1, "the one that was decided on")
        for interruption in fleet.takeInterruptions() { await controller.heard(interruption) }
        flaky.onKeep = nil
        await controller.step()
        #expect(try await store.fleets().first?.status.state == .backingOff && fleet.started == 2)
    }

    @Test func `who loses the lead in the middle of a look does nothing, also where nothing is to be written`() async throws {
        let flaky = FlakyStore(store)
        let (first, second) = (controller(over: flaky), controller())
        try await submit()
        await first.step()
        // Its process stands still while it looks.
        flaky.onTotals = { [clock] in
            clock.advance(by: .seconds(6))
            await second.step()
        }
        let targets = fleet.targets.count
        await first.step()
        #expect(fleet.targets.count == targets + 1, "the second one's")
    }

    @Test func `a notice to a machine that boots reaches its worker, also when the store could not be asked`() async throws {
        let flaky = FlakyStore(store)
        let controller = controller(.own, over: flaky)
        try await submit()
        await controller.step()
        let instance = try #require(try await fleet.instances().first)
        flaky.fails = [.workers, .keep]
        fleet.notice(instance.id, endsAt: clock.now + .seconds(120))
        for interruption in fleet.takeInterruptions() { await controller.heard(interruption) }
        flaky.fails = []
        clock.advance(by: .seconds(10))
        fleet.advance()
        let worker = try await begin(instance)
        _ = try #require(try await lease(worker).first)
        await controller.step()
        #expect(try await store.workers().first.map { $0.draining && $0.jobsHeld == 0 } == true)
        #expect(try await store.backlog().first?.ready == 1)
        #expect(try await store.decisions(of: nil, before: nil, limit: 9).filter { $0.kind == .notice }.count == 1)
    }

    @Test func `a notice that comes while the store does nothing is written down later, and no use of workers is lost`() async throws {
        let flaky = FlakyStore(store)
        let controller = controller(.own, over: flaky)
        let instance = try await wake(controller)
        _ = try #require(try await lease(try await begin(instance)).first)
        await controller.step()
        clock.advance(by: .seconds(4))
        flaky.fails = [.keep, .recall]
        await controller.step()
        fleet.notice(instance.id, endsAt: clock.now + .seconds(120))
        for interruption in fleet.takeInterruptions() { await controller.heard(interruption) }
        flaky.fails = []
        await controller.step()
        let notice = try #require(try await store.decisions(of: nil, before: nil, limit: 9).first { $0.kind == .notice })
        #expect(notice.reason.hasSuffix("; 1 jobs that it held go back to the queue") && notice.from == 1 && notice.to == 0)
        #expect(try await store.workers().first.map { $0.draining && $0.jobsHeld == 0 } == true)
        let day = Day(of: clock.now)
        #expect(try await store.usage(from: day, through: day).first?.usedSeconds == 14)
    }

    @Test func `a worker that said goodbye is not taken for one that starts`() async throws {
        let controller = controller()
        let worker = try await begin(try await wake(controller))
        _ = try await lease(worker)
        await controller.step()
        // It has left the store, and its process has a moment to live.
        try await store.deregister(worker)
        await controller.step()
        #expect(fleet.targets.last?.desired == 0 && fleet.targets.last?.retire.count == 1)
    }
}


/// Fails at what it is told to.
// Unchecked: each test calls it from one task only.
private final class FlakyStore: StoreProxy, @unchecked Sendable {
    enum Call { case keep, workers, recall }
    var fails: Set<Call> = []
    var onKeep: (() async throws -> Void)?
    var onTotals: (() async throws -> Void)?

    override func totals() async throws -> [VariantTotals] {
        let totals = try await super.totals()
        try await onTotals?()
        return totals
    }

    override func keep(_ entry: ScalingEntry, within limits: ScalingLimits, by leader: Leadership?) async throws {
        try check(.keep)
        try await super.keep(entry, within: limits, by: leader)
        try await onKeep?()
    }

    override func recall(_ workers: [WorkerID]) async throws {
        try check(.recall)
        try await super.recall(workers)
    }

    override func workers() async throws -> [WorkerRecord] {
        try check(.workers)
        return try await super.workers()
    }

    private func check(_ call: Call) throws {
        if fails.contains(call) { throw MillraceError(.unavailable, "the disk is full") }
    }
}
