import MillraceSimulation

/// What a person needs to know of a seed that failed, and how to see it again.
struct FailureText {
    let text: String

    init(_ report: SimulationReport, _ failure: SimulationReport.Failure, replay: String) {
        let job = failure.violation.job.map { "job \($0): " } ?? ""
        let lines = [
            "seed \(report.seed) broke a promise at step \(failure.step): \(failure.violation.promise.rawValue)",
            "  \(job)\(failure.violation.what)",
            "  the last of what happened (seconds of virtual time):",
        ]
        let again = "  replay: dev/sim \(replay)"
        text = (lines + failure.trail.map { "    " + $0 } + [again, ""]).joined(separator: "\n")
    }
}
