import MillraceCore
import MillraceQueue

/// A client: it submits, repeats what was not answered, cancels, retries and looks.
final class SimulatedClient: Party {
    private let tenant: String
    private var pending = 0
    private var keys = 0
    /// Jobs that it was told of, the newest last.
    private var known: [JobID] = []
    private var lastKeyed: JobSpec?

    init(_ world: World, index: Int) {
        tenant = ["acme", "zeta", "nova"][index % 3]
        super.init(world, "client", index: index)
    }

    /// Whether nothing is left that it must hear of.
    var isIdle: Bool { pending == 0 }

    func start() {
        after(world.dice.number(50...2 * world.weather.clientPause)) { [self] in
            guard !world.isCalm else { return }
            act()
            start()
        }
    }

    private func act() {
        switch world.dice.index(100) {
        case 0..<55: submitOne()
        case 55..<68: submitMany()
        case 68..<70: controlMany()
        case 70..<82: if let job = anyJob { control(job, "cancel") { $0.cancel(job, $1) } }
        case 82..<94: if let job = anyJob { control(job, "retry") { $0.retry(job, $1) } }
        default: if let job = anyJob { control(job, "look") { $0.show(job, $1) } }
        }
    }

    private var anyJob: JobID? { world.dice.pick(known) }

    private var gateway: Gateway { world.gateways[world.dice.index(world.gateways.count)] }

    private func makeSpec(for endpoint: String? = nil) -> JobSpec {
        JobSpec(&world.dice, tenant: tenant, endpoint: endpoint ?? anyEndpoint)
    }

    private var anyEndpoint: String { JobSpec.endpoints[world.dice.index(JobSpec.endpoints.count)] }

    private func submitOne() {
        var spec = makeSpec()
        if world.dice.chance(0.5) {
            keys += 1
            spec.key = "\(name)/\(keys)"
            spec.fingerprint = "\(keys)"
        }
        if let old = lastKeyed, world.dice.chance(0.1) {
            // Once more the same, or by mistake another one under the same key.
            spec = old
            if world.dice.chance(0.3) { spec.fingerprint += "?" }
        }
        if spec.key != nil { lastKeyed = spec }
        submit([spec], triesLeft: 30)
        // Two identical submits at once.
        if spec.key != nil, world.dice.chance(0.05) { submit([spec], triesLeft: 30) }
    }

    private func submitMany() {
        let endpoint = anyEndpoint
        submit((0..<world.dice.number(2...40)).map { _ in makeSpec(for: endpoint) }, triesLeft: 0)
    }

    private func submit(_ specs: [JobSpec], triesLeft: Int) {
        pending += 1
        let gateway = gateway
        world.call(self, gateway, timeout: 10_000) { _, answer in
            gateway.submit(specs, answer)
        } done: { [self] (result: Result<[Admission], CallFailure>) in
            pending -= 1
            switch result {
            case .success(let admissions): try accepted(specs, admissions)
            case .failure:
                // With a key a repetition is safe; without one it may make a second job, and most clients know.
                guard triesLeft > 0, specs.first?.key != nil || world.dice.chance(0.3) else { return }
                pending += 1
                after(world.dice.number(200...2_000)) { [self] in
                    pending -= 1
                    submit(specs, triesLeft: triesLeft - 1)
                }
            }
        }
    }

    private func accepted(_ specs: [JobSpec], _ admissions: [Admission]) throws {
        for (spec, admission) in zip(specs, admissions) {
            guard let id = try world.auditor.acknowledged(admission, key: spec.key, tenant: tenant) else { continue }
            world.note(name, "has its answer", job: id)
            known.append(id)
        }
        if known.count > 60 { known.removeFirst(20) }
    }

    /// Cancels or sends round again by filter.
    private func controlMany() {
        let filter = JobFilter(tenant: world.dice.chance(0.8) ? tenant : nil, endpoint: world.dice.chance(0.5) ? anyEndpoint : nil)
        let (gateway, limit, cancels) = (gateway, Int(world.dice.number(1...15)), world.dice.chance(0.5))
        world.call(self, gateway, timeout: 10_000) { _, answer in
            cancels ? gateway.cancel(filter, limit: limit, answer) : gateway.redrive(filter, limit: limit, answer)
        } done: { (_: Result<Int, CallFailure>) in
        }
    }

    private func control(_ job: JobID, _ what: String, _ handle: @escaping (Gateway, @escaping World.Answer<Job?>) -> Void) {
        world.note(name, "asks: " + what, job: job)
        let gateway = gateway
        world.call(self, gateway, timeout: 10_000) { _, answer in
            handle(gateway, answer)
        } done: { (_: Result<Job?, CallFailure>) in
        }
    }
}
