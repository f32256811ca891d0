/// The registry of metrics that the gateway gives beside the queue's; `docs/reference/metrics` is made from it.
public enum GatewayMetric: String, CaseIterable, Sendable {
    case httpRequests = "millrace_http_requests_total"
    case httpSeconds = "millrace_http_request_duration_seconds"
    case buildInfo = "millrace_build_info"
    case uptimeSeconds = "millrace_uptime_seconds"
    case workers = "millrace_workers"
    case oldestReadySeconds = "millrace_oldest_ready_seconds"

    public enum Kind: String, Sendable { case counter, histogram, gauge }

    public var kind: Kind {
        switch self {
        case .httpRequests: .counter
        case .httpSeconds: .histogram
        case .buildInfo, .uptimeSeconds, .workers, .oldestReadySeconds: .gauge
        }
    }

    public var labels: [String] {
        switch self {
        case .httpRequests: ["route", "method", "status"]
        case .httpSeconds: ["route"]
        case .buildInfo: ["version"]
        case .uptimeSeconds: []
        case .workers: ["endpoint", "variant", "state"]
        case .oldestReadySeconds: ["endpoint", "variant"]
        }
    }

    public var help: String {
        switch self {
        case .httpRequests: "Requests answered, by route, method and status"
        case .httpSeconds: "Time from a request's head to its answer's head; long polls are in it"
        case .buildInfo: "Always 1; the label is the version that runs"
        case .uptimeSeconds: "Time since the gateway's start"
        case .workers: "Workers that are known: starting, idle, busy or draining"
        case .oldestReadySeconds: "How long the job that has waited longest for a worker waits now"
        }
    }
}
