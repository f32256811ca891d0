import ArgumentParser

/// Measures the queue's store without HTTP and without workers; `dev/bench-queue` runs it. Each command ends with one
/// line of JSON.
@main struct MillraceBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "millrace-bench", abstract: "Measure the queue's store.", subcommands: [Create.self, Engine.self, Deep.self])
}
