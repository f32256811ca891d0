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

    /// One handle for many values: making one costs more than a value.
    private func record(_ metric: QueueMetric, _ durations: [Duration], _ labels: [(String, String)]) {
        guard !durations.isEmpty else { return }
        let timer = Timer(label: metric.rawValue, dimensions: labels, factory: factory)
        for duration in durations { timer.recordNanoseconds(max(0, duration.milliseconds) * 1_000_000) }
    }

    func admitted(_ jobs: [NewJob], _ admissions: [Admission]) {
        var counts: [String: (new: Int, repeated: Int, refused: Int)] = [:]
        for (new, admission) in zip(jobs, admissions) {
            switch admission {
            case .admitted: counts[new.job.endpoint, default: (0, 0, 0)].new += 1
            case .existing: counts[new.job.endpoint, default: (0, 0, 0)].repeated += 1
            case .refused: counts[new.job.endpoint, default: (0, 0, 0)].refused += 1
            case .conflict: break
            }
        }
        for (endpoint, count) in counts {
            self.count(.submitted, [("endpoint", endpoint)], by: count.new)
            self.count(.repeated, [("endpoint", endpoint)], by: count.repeated)
            self.count(.refused, [("endpoint", endpoint)], by: count.refused)
        }
    }

    func leased(_ jobs: [Job]) {
        guard let endpoint = jobs.first?.endpoint else { return }
        // A lease is of one endpoint.
        let labels = [("endpoint", endpoint)]
        count(.leased, labels, by: jobs.count)
        record(.waitSeconds, jobs.compactMap { job in job.startedAt.map { $0.since(job.runAt) } }, labels)
        state.withLock { state in
            if state.attempts.count > Self.attemptsMax { state.attempts = [:] }
            for job in jobs {
                state.attempts[job.id] = job.startedAt.map { Attempt(endpoint: job.endpoint, startedAt: $0) }
            }
        }
    }

    func ended(_ ends: AttemptTally) {
        count(.leasesLost, by: ends.lost)
        for (end, runs) in ends.runs {
            let endpoint = ("endpoint", end.endpoint)
            record(.runSeconds, runs.compactMap(\.self), [endpoint, ("state", end.outcome)])
            if end.state.isFinal {
                count(.finished, [endpoint, ("state", end.state.rawValue)], by: runs.count)
            } else {
                count(.requeued, [endpoint, ("reason", end.outcome)], by: runs.count)
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

/// Attempts of one call that ended, by how.
struct AttemptTally: Sendable {
    struct End: Hashable, Sendable {
        var endpoint: String
        var outcome: String
        var state: JobState
    }
    /// How long each ran, where that is known.
    private(set) var runs: [End: [Duration?]] = [:]
    var lost = 0

    mutating func add(_ end: End, run: Duration?) {
        runs[end, default: []].append(run)
    }
}
