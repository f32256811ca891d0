import ArgumentParser
import Foundation
import MillraceCore
import MillraceSimulation

@main
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "millrace-sim", abstract: "Simulates the queue under faults, seed by seed, and holds its promises.")

    enum StoreName: String, ExpressibleByArgument, CaseIterable { case memory, sqlite }

    @Option(help: "Seeds to run.") var seeds: UInt64 = 300
    @Option(help: "The first seed.") var first: UInt64 = 1
    @Option(help: "Run this one seed, and print its log's hash.") var seed: UInt64?
    @Option(help: "Events of each seed's safety phase.") var steps = 6000
    @Option(help: "The store: memory or sqlite.") var store: StoreName = .memory
    @Option(help: "Seeds at a time.") var width = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "Succeed only if a seed breaks the fence: for a build without it.") var expectUnfenced = false
    @Option(help: "Print this many last lines of each log.") var log = 0
    @Option(help: "Stop after this many seeds that failed.") var failures = 3
    @Option(help: "In place of the queue, run so many days of a fleet whose machines are taken away.") var fleetDays: Int?

    func run() async throws {
        if let fleetDays { return try await runFleet(fleetDays) }
        let folder = try scratchFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var settings = SimulationSettings()
        settings.steps = steps
        settings.logLines = log
        settings.store = store == .sqlite ? .sqlite(folder: folder) : .memory
        let range = seed.map { $0..<$0 + 1 } ?? first..<first + seeds
        let started = Surroundings.system.now()
        var summary = SimulationSummary()
        let progress = Progress(total: range.count, started: started)
        await Simulation.run(seeds: range, width: width, settings) { report in
            summary.add(report)
            progress.show(summary)
            for line in report.log { print(line) }
            if let failure = report.failure {
                progress.clear()
                print(FailureText(report, failure, replay: replay(of: report.seed)).text)
            }
            return summary.failed < failures
        }
        progress.clear()
        if let seed { print("seed \(seed): hash \(summary.lastHash)") }
        print(summary.table)
        print(summary.line(seconds: Surroundings.system.now().since(started).seconds))
        if expectUnfenced {
            let isCaught = summary.broken(.fence) > 0
            print(isCaught ? "canary: the auditor saw that the fence is gone" : "canary: the fence is gone, and the auditor saw nothing")
            throw ExitCode(isCaught ? 0 : 1)
        }
        if summary.failed > 0 { throw ExitCode(1) }
    }

    private func runFleet(_ days: Int) async throws {
        var settings = ScalingWorldSettings()
        settings.days = days
        let report = try await ScalingWorld(seed: seed ?? first, settings).run()
        print("seed \(seed ?? first): days=\(days) \(report)")
        guard report.keepsAllPromises else { throw ExitCode(1) }
    }

    /// The arguments that give this run again.
    private func replay(of seed: UInt64) -> String {
        let flags = [expectUnfenced ? "--canary" : nil, "--seed \(seed)", "--steps \(steps)"]
        return (flags + [store == .sqlite ? "--store sqlite" : nil]).compactMap(\.self).joined(separator: " ")
    }

    /// Memory where there is some: the simulated disk needs no real one, and thousands of syncs would wear it.
    private func scratchFolder() throws -> String {
        let shared = "/dev/shm"
        let parent = FileManager.default.isWritableFile(atPath: shared) ? shared : FileManager.default.temporaryDirectory.path
        let folder = "\(parent)/millrace-sim-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }
}
