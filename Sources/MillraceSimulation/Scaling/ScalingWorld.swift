import Logging
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceScaling
import MillraceTestSupport

/// Days of one endpoint on a fleet whose provider takes machines away, in virtual time: the controller, its state machine and the store's
/// rules as they are in production; jobs, workers and the provider are made up.
///
/// Two gateways have a controller each; now and then one stands still, or dies between what it decided and what it did. What must never
/// happen is counted: a worker stopped while it had work, a job lost, a job done twice.
public final class ScalingWorld {
    let settings: ScalingWorldSettings
    let time = VirtualTime()
    let clock: MachineClock
    let store: InMemoryStore
    let fleet: CrashingFleet
    var dice: Dice
    var events = EventQueue()
    var report = ScalingWorldReport()
    /// Living workers by instance.
    var workers: [InstanceID: FleetedWorker] = [:]
    /// How often each job that is kept was done.
    var done: [JobID: Int] = [:]
    private let endpoint: EndpointConfiguration
    private let policy: any ScalingPolicy
    private var controllers: [ScalingController] = []
    /// Those stand still until then.
    private var stalledUntil: [Int64]
    private var looksAt: [Int64: Bool] = [:]
    private(set) var isEnding = false

    public init(seed: UInt64, _ settings: ScalingWorldSettings = .init(), policy: any ScalingPolicy = ConfiguredPolicy()) {
        self.settings = settings
        self.policy = policy
        var dice = Dice(seed: seed)
        clock = MachineClock(time, seed: dice.seed())
        store = InMemoryStore(clock.surroundings)
        fleet = CrashingFleet(FakeCloudFleet(room: settings.room, surroundings: clock.surroundings) { settings.boot })
        self.dice = dice
        var endpoint = EndpointConfiguration(
            name: "ocr", modelDirectory: "/m", manifest: ModelManifest(name: "m", runner: .echo), modelVersion: "")
        endpoint.scaling = settings.scaling
        self.endpoint = endpoint
        stalledUntil = [0, 0]
        controllers = [makeController(), makeController()]
    }

    private func makeController() -> ScalingController {
        var silent = Logger(label: "scaling-world", factory: { _ in SwiftLogNoOpLogHandler() })
        silent.logLevel = .critical
        return ScalingController(
            store: store, fleet: fleet, ownership: .shared, endpoints: [endpoint], policy: policy,
            // Workers of this world are never silent; they have no heartbeats.
            lease: Self.lease, surroundings: clock.surroundings, logger: silent)
    }

    /// Longer than any job: leases end by reports here, not by time.
    static let lease: Duration = .seconds(86_400)

    /// Runs all days, then until all jobs are done.
    public func run() async throws -> ScalingWorldReport {
        arriveNext()
        disturbNext()
        look(at: time.now)
        tidyNext()
        let end = Int64(settings.days) * 86_400_000
        while let event = events.takeNext() {
            if event.time >= end, !isEnding { isEnding = true }
            if isEnding, report.jobs == report.done, workers.isEmpty { break }
            guard event.time < end + 3 * 86_400_000 else { break }
            time.move(to: max(event.time, time.now))
            try await event.action()
        }
        try await audit()
        report.decisions = try await store.decisions(of: nil, before: nil, limit: 1_000_000).count
        report.started = fleet.base.started
        report.usage = try await store.usage(from: Day(number: 0), through: Day(number: 1_000_000))
        return report
    }

    func after(_ milliseconds: Int64, _ action: @escaping EventQueue.Action) {
        events.add(at: time.now + max(milliseconds, 0), action)
    }

    /// A time of the clock, as events have it.
    private func moment(_ timestamp: Timestamp) -> Int64 { time.now + timestamp.since(clock.now).milliseconds }

    // MARK: Controllers

    /// Something changed: both look, as hints make them, and again when they said.
    func look(at when: Int64) {
        guard looksAt.updateValue(true, forKey: when) == nil else { return }
        events.add(at: when) { [self] in
            looksAt[when] = nil
            for index in controllers.indices where stalledUntil[index] <= time.now { try await look(controllers[index], index) }
            try await hearFleet()
        }
    }

    private func look(_ controller: ScalingController, _ index: Int) async throws {
        let next = await controller.step()
        if fleet.hasCrashed() {
            // It died between what it had decided and what it did; another process begins in its place.
            report.controllerCrashes += 1
            controllers[index] = makeController()
            look(at: time.now + 1000)
        }
        if let next { look(at: max(moment(next), time.now + 100)) }
    }

    /// What the provider did, told to the controllers and to the workers that it concerns.
    private func hearFleet() async throws {
        if let next = fleet.base.advance() { look(at: max(moment(next), time.now + 1)) }
        for instance in fleet.base.takeRetired() { try await auditRetired(instance) }
        for interruption in fleet.base.takeInterruptions() {
            if case .ended = interruption.reason { workers[interruption.instance]?.isGone = true }
            if case .ended = interruption.reason { workers[interruption.instance] = nil }
            // One that stands still hears nothing; the other does.
            let index = stalledUntil.firstIndex { $0 <= time.now } ?? 0
            await controllers[index].heard(interruption)
            look(at: time.now)
        }
        for instance in fleet.base.takeBooted() { begin(instance) }
    }

    /// The promise: only who has nothing to do is stopped. What a recalled worker still works on is not its any more.
    private func auditRetired(_ instance: FleetInstance) async throws {
        report.retired += 1
        guard let worker = workers[instance.id], let job = worker.job else { return }
        guard let now = try await store.job(job.id), now.lease?.token == job.lease?.token else { return }
        report.busyKills += 1
        report.remarks.append("\(instance.id) was stopped with job \(job.id) at \(clock.now)")
    }

    // MARK: Trouble

    private func disturbNext() {
        after(dice.number(1...settings.disturbEvery.milliseconds * 2)) { [self] in
            guard !isEnding else { return }
            defer { disturbNext() }
            switch dice.number(0...2) {
            case 0: stalledUntil[Int(dice.number(0...1))] = time.now + dice.number(1000...120_000)
            case 1:
                fleet.base.setRoom(0)
                after(dice.number(60_000...3_600_000)) { [self] in fleet.base.setRoom(settings.room) }
            default:
                if dice.chance(0.5) { fleet.base.failBoots(Int(dice.number(1...4))) } else { fleet.crashNext() }
            }
            look(at: time.now)
        }
    }

    /// Some machines are taken away, some die, at any time of their lives.
    func trouble(_ worker: FleetedWorker) {
        let kind = dice.number(0...99)
        guard kind < 20 else { return }
        after(dice.number(0...600_000)) { [self] in
            guard !worker.isGone else { return }
            if kind < 12 {
                report.notices += 1
                fleet.base.notice(worker.instance, endsAt: clock.now + .seconds(120))
            } else {
                report.crashes += 1
                fleet.base.crash(worker.instance)
            }
            look(at: time.now)
        }
    }
}

/// A fleet whose caller may die before it is asked.
final class CrashingFleet: Fleet, @unchecked Sendable {
    // Unchecked: one simulation calls it from one task only.
    let base: FakeCloudFleet
    private var crashes = false
    private var crashed = false

    init(_ base: FakeCloudFleet) { self.base = base }

    func crashNext() { crashes = true }
    func hasCrashed() -> Bool {
        defer { crashed = false }
        return crashed
    }

    func reconcile(_ target: FleetTarget) async throws {
        guard !crashes else {
            (crashes, crashed) = (false, true)
            throw CancellationError()
        }
        try await base.reconcile(target)
    }

    func instances() async throws -> [FleetInstance] { try await base.instances() }
    func interruptions() -> AsyncStream<FleetInterruption> { base.interruptions() }
}
