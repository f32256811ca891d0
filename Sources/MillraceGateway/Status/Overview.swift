import MillraceCore
import MillraceQueue
import MillraceWire

/// What waits, what runs and who works, as the store knows it now.
struct Overview: Sendable {
    let queue: JobQueue
    let directory: EndpointDirectory

    func endpoints() async throws -> [EndpointResource] {
        let state = try await state()
        return directory.all.map { resource(of: $0, state) }
    }

    func endpoint(named name: String) async throws -> EndpointResource {
        let endpoint = try directory.endpoint(named: name)
        return resource(of: endpoint, try await state())
    }

    private struct State {
        var backlog: [VariantBacklog]
        var workers: [WorkerRecord]
        var modes: [EndpointModeRecord]
        var fleets: [FleetStatus]
    }

    private func state() async throws -> State {
        State(
            backlog: try await queue.backlog(), workers: try await queue.workers(), modes: try await queue.modes(),
            fleets: try await queue.fleets().map(\.status))
    }

    func workers() async throws -> [WorkerResource] {
        try await queue.workers().map { worker in
            WorkerResource(
                id: worker.id, endpoint: worker.endpoint, variant: worker.variant, instance: worker.instance, host: worker.host,
                processID: worker.processID, state: worker.stateInWords, jobsHeld: worker.jobsHeld, startedAt: worker.startedAt,
                readyAt: worker.readyAt, seenAt: worker.seenAt)
        }
    }

    private func resource(of endpoint: EndpointConfiguration, _ state: State) -> EndpointResource {
        let own = state.backlog.filter { $0.endpoint == endpoint.name }
        let mode = state.modes.first { $0.endpoint == endpoint.name }
        let fleet = state.fleets.first { $0.endpoint == endpoint.name && $0.variant == endpoint.variant }
        return EndpointResource(
            name: endpoint.name, model: endpoint.manifest.name, modelVersion: endpoint.modelVersion,
            description: endpoint.manifest.description, variant: endpoint.variant, accepts: endpoint.manifest.accepts,
            parameters: endpoint.manifest.parameters, mode: mode?.mode ?? .open, modeSince: mode?.since, modeReason: mode?.reason,
            queued: own.reduce(0) { $0 + $1.ready + $1.scheduled }, scheduled: own.reduce(0) { $0 + $1.scheduled },
            running: own.reduce(0) { $0 + $1.running }, workers: state.workers.count { $0.endpoint == endpoint.name },
            bytesMax: endpoint.limits.bytesMax, problem: fleet?.problem)
    }
}

extension WorkerRecord {
    var stateInWords: String {
        if draining { return "draining" }
        if readyAt == nil { return "starting" }
        return jobsHeld > 0 ? "busy" : "idle"
    }
}

extension FleetStatus {
    /// Why no worker comes, when that is so.
    var problem: String? {
        switch state {
        case .outOfCapacity, .backingOff, .failing: cause
        case .asleep, .steady, .starting, .draining, .overBudget: nil
        }
    }
}

extension Overview {
    /// Gauges that are read from the store when somebody asks for them.
    func exposition(version: String, uptime: Duration, at now: Timestamp) async throws -> String {
        let (backlog, workers) = (variants(try await queue.backlog()), try await queue.workers())
        var text = PrometheusText()
        func gauge(_ metric: GatewayMetric, _ samples: [(labels: [String: String], value: Double)]) {
            text.add(metric.rawValue, .gauge, help: metric.help, samples)
        }
        gauge(.buildInfo, [(["version": version], 1)])
        gauge(.uptimeSeconds, [([:], uptime.seconds)])
        text.add(
            QueueMetric.jobs.rawValue, .gauge, help: QueueMetric.jobs.help,
            backlog.flatMap { entry in
                [("ready", entry.ready), ("scheduled", entry.scheduled), ("running", entry.running)].map { state, count in
                    (["endpoint": entry.endpoint, "variant": entry.variant, "state": state], Double(count))
                }
            })
        gauge(
            .oldestReadySeconds,
            backlog.map { entry in
                (["endpoint": entry.endpoint, "variant": entry.variant], entry.oldestReadyAt.map { max(0, now.since($0).seconds) } ?? 0)
            })
        let counts = Dictionary(grouping: workers) { [$0.endpoint, $0.variant, $0.stateInWords] }
        gauge(
            .workers,
            counts.map { (["endpoint": $0.key[0], "variant": $0.key[1], "state": $0.key[2]], Double($0.value.count)) })
        try await addScaling(to: &text)
        return text.description
    }

    /// What is read at the scrape, and not shown again from what the queue measured before.
    static let gauges: Set<String> = [QueueMetric.jobs.rawValue]

    /// Every variant that is configured, also those without work: a gauge that vanishes looks like an outage.
    private func variants(_ backlog: [VariantBacklog]) -> [VariantBacklog] {
        let idle = directory.all.filter { endpoint in !backlog.contains { $0.endpoint == endpoint.name && $0.variant == endpoint.variant } }
        return backlog + idle.map { VariantBacklog(endpoint: $0.name, variant: $0.variant) }
    }
}
