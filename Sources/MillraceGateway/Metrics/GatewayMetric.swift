/// The registry of metrics that the gateway gives beside the queue's; `docs/reference/metrics` is made from it.
public enum GatewayMetric: String, CaseIterable, Sendable {
    case httpRequests = "millrace_http_requests_total"
    case httpSeconds = "millrace_http_request_duration_seconds"
    case buildInfo = "millrace_build_info"
    case uptimeSeconds = "millrace_uptime_seconds"
    case workers = "millrace_workers"
    case oldestReadySeconds = "millrace_oldest_ready_seconds"
    case fleetWorkers = "millrace_fleet_workers"
    case fleetState = "millrace_fleet_state"
    case workerSecondsToday = "millrace_worker_seconds_today"
    case costToday = "millrace_cost_today"

    public enum Kind: String, Sendable { case counter, histogram, gauge }

    public var kind: Kind {
        switch self {
        case .httpRequests: .counter
        case .httpSeconds: .histogram
        case .buildInfo, .uptimeSeconds, .workers, .oldestReadySeconds, .fleetWorkers, .fleetState, .workerSecondsToday, .costToday: .gauge
        }
    }

    public var labels: [String] {
        switch self {
        case .httpRequests: ["route", "method", "status"]
        case .httpSeconds: ["route"]
        case .buildInfo: ["version"]
        case .uptimeSeconds: []
        case .workers, .fleetState, .workerSecondsToday: ["endpoint", "variant", "state"]
        case .fleetWorkers: ["endpoint", "variant", "kind"]
        case .oldestReadySeconds, .costToday: ["endpoint", "variant"]
        }
    }

    public var help: String {
        switch self {
        case .httpRequests: "Requests answered, by route, method and status"
        case .httpSeconds: "Time from a request's head to its answer's head; long polls are in it"
        case .buildInfo: "Always 1; the label is the version that runs"
        case .uptimeSeconds: "Time since the gateway's start"
        case .workers: "Workers that are known: starting, idle, busy or draining"
        case .fleetWorkers: "Workers that a fleet's controller wants, has, starts and drains"
        case .fleetState: "1 for the state that a fleet is in, 0 for the others: out of capacity, backing off, over its budget..."
        case .workerSecondsToday: "Time of workers since midnight in UTC, busy and idle; from being wanted to their end"
        case .costToday: "Cost of workers since midnight in UTC, in the currency of the settings"
        case .oldestReadySeconds: "How long the job that has waited longest for a worker waits now"
        }
    }
}
