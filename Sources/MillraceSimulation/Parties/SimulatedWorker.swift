import MillraceCore
import MillraceQueue

/// A worker as the protocol has it: it registers, leases, sends heartbeats, works, reports until it is heard, drains,
/// and dies without a word. What it computes is said by each job's ``JobSpec/Nature``.
final class SimulatedWorker: Party {
    /// A lease that it holds.
    final class Held {
        enum Stop { case lost, cancelled, timeout, draining }
        let job: Job
        let token: LeaseToken
        var stop: Stop?
        var isReporting = false
        var progress = 0

        init(_ job: Job, _ token: LeaseToken) {
            self.job = job
            self.token = token
        }
    }

    private(set) var id: WorkerID
    let endpoint: String
    private let capacity: Int
    var held: [Held] = []
    var reports: [AttemptReport] = []
    var isFlushing = false
    private(set) var isDraining = false
    private var startedAt = Timestamp(milliseconds: 0)
    /// Requests for work that it has made.
    private var requests: Int64 = 0
    /// Which gateway it talks to; another one when that does not answer.
    private var preferred: Int

    init(_ world: World, index: Int) {
        // One of each kind at least, or a queue would have nobody.
        endpoint = JobSpec.endpoints[index % JobSpec.endpoints.count]
        capacity = 3 + world.dice.index(8)
        preferred = world.dice.index(world.gateways.count)
        id = Self.makeID(world)
        super.init(world, "worker", index: index)
    }

    private static func makeID(_ world: World) -> WorkerID {
        WorkerID(at: world.host.clock.now, random: (world.dice.seed(), world.dice.seed()))
    }

    var gateway: Gateway { world.gateways[preferred] }

    func tryAnotherGateway() {
        preferred = (preferred + 1) % world.gateways.count
    }

    // MARK: Coming and going

    func start() {
        isDraining = false
        held = []
        reports = []
        isFlushing = false
        startedAt = world.host.clock.now
        requests = 0
        register { [self] in
            lease()
            heartbeat()
        }
    }

    private func register(_ then: @escaping () -> Void) {
        let (gateway, id, endpoint, name, startedAt) = (gateway, id, endpoint, name, startedAt)
        world.call(self, gateway, timeout: 5_000) { _, answer in
            gateway.register(id, endpoint: endpoint, instance: name, startedAt: startedAt, answer)
        } done: { [self] (result: Result<Void, CallFailure>) in
            if case .success = result { return then() }
            tryAnotherGateway()
            after(500) { [self] in register(then) }
        }
    }

    /// Dies with all that it holds. Sometimes its fleet sees it at once; else its leases run out.
    func crash() {
        guard isUp else { return }
        world.note(name, "dies", number: Int64(held.count))
        for held in held { world.note(name, "dies with", job: held.job.id) }
        let dead = id
        // What it left behind may name none of them, or jobs that it no longer held.
        let atRisk = Set(held.map(\.job.id).filter { _ in world.dice.chance(0.3) })
        leave(for: world.dice.number(500...8_000))
        if world.dice.chance(0.6) { tell(dead, atRisk: atRisk, triesLeft: 20) }
    }

    private func leave(for duration: Int64) {
        die()
        held = []
        world.after(duration) { [self] in comeBack() }
    }

    private func comeBack() {
        guard !isUp else { return }
        rise()
        // A new process is a new worker.
        id = Self.makeID(world)
        start()
    }

    private func tell(_ dead: WorkerID, atRisk: Set<JobID>, triesLeft: Int) {
        let gateway = world.gateways[world.dice.index(world.gateways.count)]
        world.after(world.dice.number(20...1_500)) { [self] in
            guard gateway.isUp else { return triesLeft > 0 ? tell(dead, atRisk: atRisk, triesLeft: triesLeft - 1) : () }
            gateway.abandon(dead, atRisk: atRisk) { [self] result in
                if case .failure = result, triesLeft > 0 { tell(dead, atRisk: atRisk, triesLeft: triesLeft - 1) }
            }
        }
    }

    func heal() {
        goOn()
        comeBack()
    }

    // MARK: Draining

    /// Told to go: by a signal, or by its fleet, which marks it in the store, from where it hears of it.
    func retire() {
        if world.dice.chance(0.5) { return drain() }
        gateway.ask(.drain([id])) { _ in }
    }

    /// Takes no more, ends what it can in time, gives back the rest, says goodbye.
    func drain() {
        guard isUp, !isDraining else { return }
        world.note(name, "drains", number: Int64(held.count))
        isDraining = true
        after(world.dice.number(100...6_000)) { [self] in
            for held in held where held.stop == nil && !held.isReporting { stop(held, .draining) }
        }
        waitUntilEmpty()
    }

    private func waitUntilEmpty() {
        guard held.isEmpty else { return after(100) { [self] in waitUntilEmpty() } }
        let (gateway, id) = (gateway, id)
        world.call(self, gateway, timeout: 2_000) { _, answer in
            gateway.deregister(id, answer)
        } done: { [self] (_: Result<Void, CallFailure>) in
            leave(for: world.dice.number(500...8_000))
        }
    }

    // MARK: Work

    private func lease() {
        guard !isDraining else { return }
        let room = capacity - held.count
        guard room > 0 else { return after(200) { [self] in lease() } }
        let gateway = gateway
        requests += 1
        let demand = LeaseDemand(
            worker: id, endpoint: endpoint, variant: "a", jobsMax: room, duration: .milliseconds(Timing.lease),
            held: Set(held.map(\.token)), request: requests, quotas: world.weather.quotas[endpoint] ?? EndpointQuotas())
        world.note(name, "asks for work", number: Int64(room))
        let sentAt = world.now
        world.call(self, gateway, timeout: Timing.leaseWait + 10_000) { call, answer in
            gateway.lease(demand, sentAt: sentAt, call, answer)
        } done: { [self] (result: Result<LeaseGrant, CallFailure>) in
            // Whoever stops closes the connection on which it waits for work; what was granted goes back with its goodbye.
            guard !isDraining else { return }
            switch result {
            case .success(let grant):
                for job in grant.jobs { begin(job) }
                if grant.isDraining { drain() }
                after(10) { [self] in lease() }
            case .failure(let failure) where failure.code == .workerUnknown:
                register { [self] in lease() }
            case .failure:
                tryAnotherGateway()
                after(world.dice.number(100...1_000)) { [self] in lease() }
            }
        }
    }

    private func heartbeat() {
        let (gateway, id, items) = (gateway, id, held)
        let renewals = items.map { renewal($0) }
        world.call(self, gateway, timeout: 5_000) { _, answer in
            gateway.heartbeat(id, renewals, answer)
        } done: { [self] (result: Result<HeartbeatAnswer, CallFailure>) in
            switch result {
            case .success(let answer):
                for (item, verdict) in zip(items, answer.verdicts) { heard(verdict, of: item) }
                if answer.isDraining { drain() }
            case .failure(let failure) where failure.code == .workerUnknown:
                return register { [self] in heartbeat() }
            case .failure:
                tryAnotherGateway()
            }
            after(items.isEmpty ? Timing.heartbeat * 2 : Timing.heartbeat) { [self] in heartbeat() }
        }
    }

    private func renewal(_ held: Held) -> LeaseRenewal {
        var renewal = LeaseRenewal(job: held.job.id, token: held.token, duration: .milliseconds(Timing.lease))
        if world.dice.chance(0.3) {
            held.progress += 1
            renewal.progress = JobProgress(done: Double(held.progress), unit: "pages")
        }
        if world.dice.chance(0.2) { renewal.logs = [LogLine(level: .info, message: "works")] }
        return renewal
    }
}
