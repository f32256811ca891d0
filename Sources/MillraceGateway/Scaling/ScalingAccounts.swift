import MillraceCore
import MillraceQueue
import MillraceWire

/// What the store knows of fleets, put into the words of the API.
struct ScalingAccounts: Sendable {
    let queue: JobQueue
    let directory: EndpointDirectory
    let currency: String
    let surroundings: Surroundings

    func fleets() async throws -> FleetList {
        var kept = try await queue.fleets().map(\.status)
        for index in kept.indices { try await number(&kept[index].lastDecision) }
        let now = surroundings.now()
        let today = Day(of: now)
        let usage = try await queue.usage(from: today, through: today)
        return FleetList(
            currency: currency,
            fleets: directory.all.map { endpoint in
                let used = usage.first { $0.endpoint == endpoint.name && $0.variant == endpoint.variant }
                let hours = (used?.usedSeconds ?? 0) / 3600
                return FleetList.Fleet(
                    status: kept.first { $0.endpoint == endpoint.name && $0.variant == endpoint.variant }
                        ?? FleetStatus(endpoint: endpoint.name, variant: endpoint.variant, at: now),
                    min: endpoint.scaling.min, max: endpoint.scaling.max, policy: endpoint.scaling.policy.words, price: endpoint.scaling.price,
                    costToday: endpoint.scaling.price.map { _ in used?.cost ?? 0 }, gpuHoursToday: hours,
                    idleGPUHoursToday: (used?.idleSeconds ?? 0) / 3600)
            })
    }

    /// A controller names its last decision before the store has given it a number.
    private func number(_ decision: inout ScalingRecord?) async throws {
        guard let last = decision else { return }
        let found = try await queue.decisions(of: last.endpoint, before: nil, limit: 20).first { record in
            record.variant == last.variant && record.at == last.at && record.kind == last.kind && record.reason == last.reason
        }
        decision?.sequence = found?.sequence ?? last.sequence
    }

    /// The start of the worker that a job waited for; `nil` when its worker was ready before the job came.
    func coldStart(of job: Job) async throws -> ColdStartResource? {
        guard job.startedAt != nil, let start = try await queue.coldStart(ofWorkerOf: job.id), let readyAt = start.marks?.readyAt else { return nil }
        let begin = start.wantedAt ?? start.marks?.startedAt ?? readyAt
        // Before this it could not have run, whoever was ready: it came, or was to be tried again, then.
        let due = max(job.createdAt, job.runAt)
        guard due < readyAt else { return nil }
        var resource = ColdStartResource(start)
        resource.waitedSeconds = readyAt.since(max(begin, due)).seconds
        return resource
    }

    /// A job's share of its endpoint's day, by its own time.
    func cost(of job: Job) async throws -> JobResource.Cost? {
        guard job.state.isFinal, job.lastRun > .zero, let finishedAt = job.finishedAt,
            (try? directory.endpoint(named: job.endpoint))?.scaling.price != nil
        else { return nil }
        let day = Day(of: finishedAt)
        let usage = try await queue.usage(from: day, through: day).first { $0.endpoint == job.endpoint && $0.variant == job.variant }
        guard let usage, usage.runSeconds > 0 else { return nil }
        return .init(amount: usage.cost * min(job.lastRun.seconds / usage.runSeconds, 1), currency: currency)
    }
}

extension ScalingConfiguration.PolicyChoice {
    /// `targetWait 10s`, `step 1:1 101:2`.
    var words: String {
        switch self {
        case .targetWait(let wait):
            wait.milliseconds % 1000 == 0 ? "targetWait \(wait.milliseconds / 1000)s" : "targetWait \(wait.milliseconds)ms"
        case .step(let steps): "step " + steps.map { "\($0.from):\($0.workers)" }.joined(separator: " ")
        case .backlogPerWorker(let jobs): "backlogPerWorker \(jobs == jobs.rounded() ? String(Int(jobs)) : String(jobs))"
        case .always(let workers): "always \(workers)"
        }
    }
}

extension Overview {
    /// Fleets as their controller last kept them, and what workers used.
    func addScaling(to text: inout PrometheusText) async throws {
        // What is not configured any more has no controller that would say how it is.
        let configured = Set(directory.all.map { [$0.name, $0.variant] })
        let fleets = try await queue.fleets().map(\.status).filter { configured.contains([$0.endpoint, $0.variant]) }
        func gauge(_ metric: GatewayMetric, _ samples: [(labels: [String: String], value: Double)]) {
            text.add(metric.rawValue, .gauge, help: metric.help, samples)
        }
        gauge(
            .fleetWorkers,
            fleets.flatMap { fleet in
                [("wanted", fleet.wanted), ("have", fleet.have), ("starting", fleet.starting), ("draining", fleet.draining)].map { kind, count in
                    (["endpoint": fleet.endpoint, "variant": fleet.variant, "kind": kind], Double(count))
                }
            })
        gauge(
            .fleetState,
            fleets.flatMap { fleet in
                FleetStatus.State.allCases.map { state in
                    (["endpoint": fleet.endpoint, "variant": fleet.variant, "state": state.rawValue], fleet.state == state ? 1 : 0)
                }
            })
        let today = Day(of: queue.surroundings.now())
        let usage = try await queue.usage(from: today, through: today)
        func labels(_ usage: WorkerUsage) -> [String: String] { ["endpoint": usage.endpoint, "variant": usage.variant] }
        gauge(
            .workerSecondsToday,
            usage.flatMap { usage in
                [("busy", usage.busySeconds), ("idle", usage.idleSeconds)].map { (labels(usage).merging(["state": $0]) { $1 }, $1) }
            })
        gauge(.costToday, usage.map { (labels($0), $0.cost) })
    }
}
