import MillraceCore

/// What came of many seeds.
public struct SimulationSummary: Sendable {
    public private(set) var seeds = 0
    public private(set) var steps = 0
    public private(set) var jobs = 0
    public private(set) var jobEvents = 0
    public private(set) var webhooks = 0
    public private(set) var staleWrites = 0
    public private(set) var refusals = 0
    public private(set) var staleEpochs = 0
    public private(set) var overtaken = 0
    public private(set) var failed = 0
    public private(set) var lastHash = ""
    private var elapsed: Duration = .zero
    private var faults: [FaultKind: Int] = [:]
    private var broken: [Violation.Promise: Int] = [:]

    public init() {}

    public mutating func add(_ report: SimulationReport) {
        seeds += 1
        steps += report.steps
        jobs += report.jobs
        jobEvents += report.jobEvents
        webhooks += report.webhooks
        staleWrites += report.staleWrites
        refusals += report.refusals
        staleEpochs += report.staleEpochs
        overtaken += report.overtaken
        elapsed += report.elapsed
        lastHash = String(report.hash, radix: 16)
        faults.merge(report.faults) { $0 + $1 }
        guard let failure = report.failure else { return }
        failed += 1
        broken[failure.violation.promise, default: 0] += 1
    }

    /// In how many seeds a promise was the first to break.
    public func broken(_ promise: Violation.Promise) -> Int { broken[promise] ?? 0 }

    public var table: String {
        var rows = [
            ("seeds", "\(seeds)"), ("steps", "\(steps)"), ("virtual hours", "\(Int(elapsed.seconds / 3600))"),
            ("jobs", "\(jobs)"), ("job events", "\(jobEvents)"), ("webhooks received", "\(webhooks)"), 
            ("stale writes refused", "\(staleWrites)"), ("stale epochs refused", "\(staleEpochs)"),
            ("overtaken requests", "\(overtaken)"), ("refused at the door", "\(refusals)"),
        ]
        rows += FaultKind.allCases.map { ("fault: \($0.rawValue)", "\(faults[$0] ?? 0)") }
        rows += Violation.Promise.allCases.map { ("broken: \($0.rawValue)", "\(broken[$0] ?? 0)") }
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }.joined(separator: "\n")
    }

    /// One line for machines. `broken` counts the promises beside the three that have a name of their own.
    public func line(seconds: Double) -> String {
        let named: [Violation.Promise] = [.lost, .doubled, .stuck]
        let others = broken.filter { !named.contains($0.key) }.values.reduce(0, +)
        return "seeds=\(seeds) steps=\(steps) job_events=\(jobEvents) lost=\(broken[.lost] ?? 0) doubled=\(broken[.doubled] ?? 0) "
            + "stuck=\(broken[.stuck] ?? 0) broken=\(others) seconds=\(Int(seconds.rounded()))"
    }
}
