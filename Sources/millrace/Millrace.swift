import ArgumentParser

@main struct Millrace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asynchronous inference: upload, queue, run in batches, tell the caller.",
        subcommands: [Serve.self, WorkerCommand.self, Keys.self, DoctorCommand.self, Docs.self])
}
