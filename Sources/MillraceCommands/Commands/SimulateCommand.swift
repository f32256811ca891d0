import ArgumentParser
import Foundation
import MillraceCore
import MillraceScaling

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Show waits and the bill of a scaling policy beforehand.",
        discussion: """
            Runs jobs through a fleet in virtual time, with the policies that a server runs. Needs no server, but to ask it \
            for its jobs.

            EXAMPLES:
              A day with a wave, the default policy with three targets, beside what people use today:
                millrace simulate --workload diurnal --per-hour 600 --target 10s,1m,5m --compare
              A trace of your own, and a page with charts:
                millrace simulate --trace arrivals.csv --base 200ms --per-output 15ms --boot 180s --pull 60s --html what-if.html
              What a server saw, with at most four workers on spot machines:
                millrace simulate --from-history server --endpoint ocr --max 4 --interruptions 0.05 --price 1.2
              An endpoint as it is configured, on a Monday, and with another target:
                millrace simulate --from-settings millrace.yaml --endpoint ocr --trace monday.csv --starts-at 2026-11-23T00:00:00Z --target 1m
              One policy against another, for a script:
                millrace simulate --workload bursts --policy backlogPerWorker=5 --policy targetWait=30s --json

            A trace is a CSV file whose first line names the columns: arrival_s (seconds) or timestamp, and, if there are any, \
            input_size, output_size (tokens) and duration_s. It is sorted by time.
            """)

    @OptionGroup(title: "Jobs") var jobs: SimulateJobs
    @OptionGroup(title: "Fleet") var fleet: SimulateFleet
    @OptionGroup(title: "Policies") var policies: SimulatePolicies
    @OptionGroup(title: "Server of the history") var connection: ConnectionOptions

    @Option(help: "Whatever is random is decided by this number.")
    var seed: UInt64 = 1

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Leave the timelines out of the JSON.")
    var brief = false

    @Option(help: "Write a page with charts to this file, which needs no network.", completion: .file(extensions: ["html"]))
    var html: String?

    func validate() throws {
        try jobs.validate()
        try fleet.validate()
        // JSON shows it, and there whole numbers end here.
        guard seed <= UInt64(Int64.max) else { throw ValidationError("--seed is at most \(Int64.max)") }
        guard policies.fromSettings == nil || jobs.endpoint != nil else { throw ValidationError("--from-settings needs --endpoint: whose settings?") }
        // Against what is configured the limits are checked when that is read.
        _ = try policies.all(policies.fromSettings == nil ? fleet.scaling(nil) : ScalingConfiguration())
    }

    func run() async throws {
        let surroundings = CommandSurroundings.current
        let console = surroundings.console
        let scaling = try fleet.scaling(policies.fromSettings.map { try surroundings.scaling(jobs.endpoint ?? "", $0) })
        let subjects = try policies.all(scaling)
        var setup = fleet.setup(scaling, seed: seed)
        let history = try await jobs.history(connection, console)
        if let startsAt = jobs.startsAt ?? history?.startsAt { setup.startsAt = startsAt }
        if !setup.service.byBatchSize.isEmpty {
            // Before they are simulated: what the mean of them takes is not known until all have been read.
            setup.service.meanWork = try setup.service.meanWork(of: jobs.source(history?.arrivals, seed: seed))
        }
        var curve: [SimulationReport] = []
        var others: [SimulationReport] = []
        var speeds: [Double] = []
        for (index, subject) in subjects.enumerated() {
            let began = Surroundings.monotonic()
            let arrivals = try jobs.source(history?.arrivals, seed: seed)
            let report = try Simulator.run(arrivals, setup, subject) { count in
                try Task.checkCancellation()
                let bar = ProgressBar(
                    label: subject.name, fraction: Double(index) / Double(subjects.count), details: ["\(index + 1)/\(subjects.count)", "\(count) jobs"])
                console.draw(bar.rendered(width: console.screen.width()))
            }
            let seconds = (Surroundings.monotonic() - began).seconds
            speeds.append(Double(report.accepted) / max(seconds, 1e-9))
            if subject.isTargetWait { curve.append(report) } else { others.append(report) }
        }
        console.draw("")
        let words = "\(jobs.words), \(fleet.words(scaling))"
        if let html {
            let page = SimulationPage.html(subject: "\(words), seed \(seed).", curve: curve, others: others)
            do { try Data(page.utf8).write(to: URL(filePath: html)) } catch {
                throw CommandFault(.failure, "cannot write \(html)", hint: "a file in a folder that is there")
            }
            console.note("wrote \(html)")
        }
        let all = curve + others
        // What never started has no wait that the table could show.
        for report in all where report.unfinished > 0 {
            console.note("\(report.policy): \(report.unfinished) of \(report.accepted) jobs had not ended when the simulation did")
        }
        if json { return try console.print(try MillraceJSON.string(answer(words, setup, all, speeds), pretty: true)) }
        try console.print(Self.table(all))
        guard all.count <= 6 else { return }
        for report in all { for line in SimulationStrip.lines(of: report, width: min(console.screen.width(), 100)) { try console.print(line) } }
    }

    private func answer(_ words: String, _ setup: SimulationSetup, _ reports: [SimulationReport], _ speeds: [Double]) -> JSONValue {
        .object([
            "subject": .string(words), "seed": .integer(Int64(seed)), "startsAt": .string("\(setup.startsAt)"),
            "jobsPerSecond": .number(speeds.isEmpty ? 0 : speeds.reduce(0, +) / Double(speeds.count)),
            "policies": .array(reports.map { $0.json(withTimeline: !brief) }),
        ])
    }

    static func table(_ reports: [SimulationReport]) -> Table {
        var table = Table([
            .init("POLICY", flexible: true), .init("JOBS", right: true), .init("WAIT P50", right: true), .init("P95", right: true),
            .init("P99", right: true), .init("TURNAROUND P95", right: true), .init("COLD", right: true), .init("HOURS", right: true),
            .init("IDLE", right: true), .init("USED", right: true), .init("COST", right: true),
        ])
        func time(_ seconds: Double) -> String { Quantities.duration(.milliseconds(Int64(seconds * 1000))) }
        table.rows = reports.map { report in
            [
                report.policy, "\(report.finished)", time(report.waits.percentile(0.5)), time(report.waits.percentile(0.95)),
                time(report.waits.percentile(0.99)), time(report.turnarounds.percentile(0.95)), "\(report.coldStarts)",
                Quantities.number(report.workerHours, digits: 2), Quantities.number(report.idleHours, digits: 2),
                "\(Quantities.number(report.utilisation * 100, digits: 0)) %", Quantities.number(report.cost, digits: 2),
            ]
        }
        return table
    }
}

extension SimulatedPolicy {
    /// Not a preset, and with the knob.
    fileprivate var isTargetWait: Bool {
        guard policy is ConfiguredPolicy, case .targetWait = scaling.policy else { return false }
        return true
    }
}

/// Workers and waiting jobs over time, as two lines of small bars.
enum SimulationStrip {
    private static let bars = Array(" ▁▂▃▄▅▆▇█")

    static func lines(of report: SimulationReport, width: Int) -> [String] {
        let columns = max(20, width - 26)
        let workers = columnwise(report.timeline, columns) { ($0.busy + $0.draining + $0.idle + $0.starting) / report.timeline.width }
        let waiting = columnwise(report.timeline, columns) { Double($0.waitingMost) }
        return [
            "", report.policy, "  workers, at most \(pad(workers.most)) \(strip(workers))", "  waiting, at most \(pad(waiting.most)) \(strip(waiting))",
        ]
    }

    private static func columnwise(
        _ timeline: Timeline, _ columns: Int, _ value: (Timeline.Interval) -> Double
    ) -> (most: Double, values: [Double]) {
        let count = timeline.intervals.count
        let shown = min(columns, count)
        let values = (0..<shown).map { column in
            timeline.intervals[(column * count / shown)..<max((column + 1) * count / shown, column * count / shown + 1)].map(value).max() ?? 0
        }
        return (values.max() ?? 0, values)
    }

    private static func strip(_ line: (most: Double, values: [Double])) -> String {
        String(line.values.map { $0 <= 0 ? bars[0] : bars[min(8, 1 + Int($0 / max(line.most, 1e-9) * 7.999))] })
    }

    private static func pad(_ value: Double) -> String {
        TerminalText.padded(Quantities.number(value, digits: 0), to: 6, right: true)
    }
}
