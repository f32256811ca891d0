/// The registry of metrics that the queue gives; `docs/reference/metrics` is made from it.
public enum QueueMetric: String, CaseIterable, Sendable {
    case submitted = "millrace_jobs_submitted_total"
    case repeated = "millrace_jobs_repeated_total"
    /// Refused at the door by a quota or a drain.
    case refused = "millrace_jobs_refused_total"
    case leased = "millrace_jobs_leased_total"
    case finished = "millrace_jobs_finished_total"
    case requeued = "millrace_jobs_requeued_total"
    case rescued = "millrace_jobs_rescued_total"
    case pruned = "millrace_jobs_pruned_total"
    case leasesLost = "millrace_leases_lost_total"
    case blobsCollected = "millrace_blobs_collected_total"
    case deliveryAttempts = "millrace_delivery_attempts_total"
    case storeErrors = "millrace_store_errors_total"
    case waitSeconds = "millrace_job_wait_seconds"
    case runSeconds = "millrace_job_run_seconds"
    case coldStartSeconds = "millrace_cold_start_seconds"
    case storeSeconds = "millrace_store_seconds"
    case jobs = "millrace_jobs"

    public enum Kind: String, Sendable { case counter, histogram, gauge }

    public var kind: Kind {
        switch self {
        case .waitSeconds, .runSeconds, .coldStartSeconds, .storeSeconds: .histogram
        case .jobs: .gauge
        default: .counter
        }
    }

    public var labels: [String] {
        switch self {
        case .submitted, .repeated, .refused, .leased, .waitSeconds, .coldStartSeconds, .pruned: ["endpoint"]
        case .finished, .runSeconds: ["endpoint", "state"]
        case .requeued: ["endpoint", "reason"]
        case .rescued: ["endpoint", "state"]
        case .leasesLost, .blobsCollected: []
        case .deliveryAttempts: ["delivered"]
        case .storeErrors: ["operation", "code"]
        case .storeSeconds: ["operation"]
        case .jobs: ["endpoint", "variant", "state"]
        }
    }

    public var help: String {
        switch self {
        case .submitted: "Jobs taken in"
        case .repeated: "Submits that came again with the idempotency key of a job"
        case .refused: "Submits refused because a quota was full or the endpoint was being drained"
        case .leased: "Attempts begun"
        case .finished: "Jobs that ended, by final state"
        case .requeued: "Attempts after which the job went back to the queue: failed or released"
        case .rescued: "Jobs taken back from dead workers, and jobs whose time to live passed, by the state they went to"
        case .pruned: "Finished jobs removed after their retention"
        case .leasesLost: "Writes refused because their lease was no longer current"
        case .blobsCollected: "Blobs deleted because no job used them"
        case .deliveryAttempts: "Tries to deliver a webhook"
        case .storeErrors: "Operations on the job store that failed"
        case .waitSeconds: "Time from when a job was due to when a worker took it"
        case .runSeconds: "Time from a worker's lease to its report, by how the attempt ended"
        case .coldStartSeconds: "Time a worker took from its start to being ready, for workers started for waiting jobs"
        case .storeSeconds: "Time an operation on the job store took"
        case .jobs: "Jobs that are ready, scheduled or running"
        }
    }
}
