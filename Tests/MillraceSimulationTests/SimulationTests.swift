import MillraceQueue
import MillraceSimulation
import MillraceTestSupport
import Testing

@Suite("A simulation", .timeLimit(.minutes(3)))
struct SimulationTests {
    @Test("is the same again with the same seed", arguments: [3, 7] as [UInt64])
    func determinism(seed: UInt64) async {
        let (one, two) = (await Simulation.run(seed: seed), await Simulation.run(seed: seed))
        #expect(one.hash == two.hash)
        #expect(one.steps == two.steps && one.jobEvents == two.jobEvents)
        #expect(await Simulation.run(seed: seed + 1).hash != one.hash)
    }

    @Test("is the same on both stores")
    func sameOnBothStores() async throws {
        try await withTemporaryDirectory { directory in
            var settings = SimulationSettings()
            settings.steps = 1000
            let memory = await Simulation.run(seed: 11, settings)
            settings.store = .sqlite(folder: directory.path)
            #expect(await Simulation.run(seed: 11, settings).hash == memory.hash)
        }
    }

    @Test("keeps all promises in memory")
    func memory() async {
        var settings = SimulationSettings()
        settings.steps = 3000
        let reports = await reports(of: 1000..<1030, settings)
        for report in reports { #expect(report.failure == nil, "\(described(report))") }
        #expect(reports.reduce(0) { $0 + $1.jobEvents } > 10_000)
        // All kinds of faults, or the promises were not tried.
        #expect(reports.contains { $0.staleWrites > 0 })
        let kinds = Set(reports.flatMap { $0.faults.keys })
        #expect(kinds == Set(FaultKind.allCases))
    }

    @Test("keeps all promises through the facade")
    func facade() async {
        var settings = SimulationSettings()
        settings.steps = 2000
        settings.wrap = { JobQueue($0) }
        for report in await reports(of: 3000..<3006, settings) { #expect(report.failure == nil, "\(described(report))") }
    }

    @Test("keeps all promises on SQLite")
    func sqlite() async throws {
        try await withTemporaryDirectory { directory in
            var settings = SimulationSettings()
            settings.steps = 1200
            settings.store = .sqlite(folder: directory.path)
            for report in await reports(of: 2000..<2004, settings) { #expect(report.failure == nil, "\(described(report))") }
        }
    }
}

func reports(of seeds: Range<UInt64>, _ settings: SimulationSettings) async -> [SimulationReport] {
    var reports: [SimulationReport] = []
    await Simulation.run(seeds: seeds, width: 2, settings) { report in
        reports.append(report)
        return true
    }
    return reports
}

func described(_ report: SimulationReport) -> String {
    guard let failure = report.failure else { return "seed \(report.seed): all is well" }
    return "seed \(report.seed), step \(failure.step): \(failure.violation.promise) \(failure.violation.what)\n"
        + failure.trail.joined(separator: "\n")
}
