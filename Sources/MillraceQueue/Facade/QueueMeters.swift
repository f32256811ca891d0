import Metrics
import MillraceCore
import Synchronization

/// Writes the queue's metrics. What a report does not carry (the endpoint, when the attempt began) is remembered from
/// the lease.
final class QueueMeters: Sendable {
    struct Attempt: Sendable {
        var endpoint: String
        var startedAt: Timestamp
    }
    private struct State {
        var attempts: [JobID: Attempt] = [:]
        /// Variants whose gauges have been set, so that they can be set to zero again.
        var gauged: Set<Variant> = []
    }
    private let state = Mutex(State())
    private let factory: any MetricsFactory

    /// Attempts remembered; past this, all are forgotten, and the store is asked instead.
    static let attemptsMax = 50_000

    init(factory: any MetricsFactory) {
        self.factory = factory
    }

    func count(_ metric: QueueMetric, _ labels: [(String, String)] = [], by amount: Int = 1) {
        guard amount > 0 else { return }
        Counter(label: metric.rawValue, dimensions: labels, factory: factory).increment(by: amount)
    }

    func record(_ metric: QueueMetric, _ duration: Duration, _ labels: [(String, String)] = []) {
        Timer(label: metric.rawValue, dimensions: labels, factory: factory)
            .recordNanoseconds(max(0, duration.milliseconds) * 1_000_000)
    }

    func leased(_ jobs: [Job]) {
        for job in jobs {
            let labels = [("endpoint", job.endpoint)]
            count(.leased, labels)
            if let startedAt = job.startedAt { record(.waitSeconds, startedAt.since(job.runAt), labels) }
        }
        state.withLock { state in
            if state.attempts.count > Self.attemptsMax { state.attempts = [:] }
            for job in jobs {
                state.attempts[job.id] = job.startedAt.map { Attempt(endpoint: job.endpoint, startedAt: $0) }
            }
        }
    }

    /// The attempt of a job, which is then forgotten.
    func takeAttempt(of job: JobID) -> Attempt? {
        state.withLock { $0.attempts.removeValue(forKey: job) }
    }

    func rescued(_ jobs: [Job]) {
        state.withLock { state in
            for job in jobs { state.attempts[job.id] = nil }
        }
        for job in jobs {
            let labels = [("endpoint", job.endpoint), ("state", job.state.rawValue)]
            count(.rescued, labels)
            if job.state.isFinal { count(.finished, labels) }
        }
    }

    func gauge(_ backlog: [VariantBacklog]) {
        let now = Set(backlog.map { Variant(endpoint: $0.endpoint, name: $0.variant) })
        let gone = state.withLock { state in
            defer { state.gauged.formUnion(now) }
            return state.gauged.subtracting(now)
        }
        for entry in backlog { set(entry) }
        for variant in gone { set(VariantBacklog(endpoint: variant.endpoint, variant: variant.name)) }
    }

    private func set(_ backlog: VariantBacklog) {
        for (state, count) in [("ready", backlog.ready), ("scheduled", backlog.scheduled), ("running", backlog.running)] {
            let labels = [("endpoint", backlog.endpoint), ("variant", backlog.variant), ("state", state)]
            Gauge(label: QueueMetric.jobs.rawValue, dimensions: labels, factory: factory).record(count)
        }
    }
}
