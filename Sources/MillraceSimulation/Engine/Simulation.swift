import MillraceCore

/// Runs seeds.
///
/// Each seed is a world of its own: clients, gateways, workers and webhook receivers around one store, with faults, and
/// an auditor that holds the promises. First the safety phase with all faults; then the liveness phase without, in which
/// everything must come to its end.
public enum Simulation {
    public static func run(seed: UInt64, _ settings: SimulationSettings = .init()) async -> SimulationReport {
        var report = SimulationReport(seed: seed)
        do {
            let world = try World(seed: seed, settings)
            do {
                try await world.run()
            } catch {
                let violation = error as? Violation ?? Violation(.store, nil, "an error that nobody expected: \(error)")
                world.report.failure = .init(
                    violation: violation, step: world.report.steps, trail: world.log.tail(of: violation.job))
            }
            report = world.finishedReport()
            await world.close()
        } catch {
            report.failure = .init(violation: Violation(.store, nil, "the store could not be opened: \(error)"), step: 0, trail: [])
        }
        return report
    }

    /// Runs seeds, several at a time, and hands each report over as it comes. Stops starting new ones when told to.
    public static func run(
        seeds: Range<UInt64>, width: Int, _ settings: SimulationSettings,
        each: (SimulationReport) async -> Bool
    ) async {
        await withTaskGroup(of: SimulationReport.self) { group in
            var next = seeds.lowerBound
            func startNext() {
                guard next < seeds.upperBound else { return }
                let seed = next
                group.addTask { await run(seed: seed, settings) }
                next += 1
            }
            for _ in 0..<max(width, 1) { startNext() }
            while let report = await group.next() {
                if await each(report) { startNext() }
            }
        }
    }
}

extension World {
    fileprivate func finishedReport() -> SimulationReport {
        var report = report
        report.hash = log.hash
        report.log = log.tail(of: nil, settings.logLines)
        report.elapsed = .milliseconds(now)
        report.jobs = auditor.jobsEver
        report.jobEvents = auditor.eventsEver
        report.webhooks = auditor.webhooksEver
        return report
    }
}
