import ArgumentParser

/// Measures the queue's store without HTTP and without workers, and models without a queue; the scripts `dev/bench-*` run it. Each
/// command ends with one line of JSON.
@main struct MillraceBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "millrace-bench", abstract: "Measure parts of Millrace in one process.",
        subcommands: [Create.self, Engine.self, Deep.self, OCR.self, Photos.self])
}
