import ArgumentParser
import Foundation
import MillraceApp

struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Serve one endpoint's model; the server starts workers by itself.",
        discussion: """
            A worker connects to the server's Unix socket, loads the model, takes jobs and ends when it is told to drain. Start one by
            hand to look at a model's start, or under a debugger.

            Example:
              millrace worker --endpoint sentiment
            """)

    @OptionGroup var options: SettingsOptions
    @Option(help: "The endpoint to serve.") var endpoint: String
    @Option(help: "The variant to serve.") var variant = "a"
    @Option(help: "The name its fleet knows it by.") var instance: String?
    @Option(help: "The server's socket; found in the data directory when left out.") var socket: String?

    func run() async throws {
        let name = instance ?? "manual:\(ProcessInfo.processInfo.processIdentifier)"
        // The gateway tells a worker what it serves, with its version.
        try await WorkerApp(
            settings: try options.load(versions: false), endpoint: endpoint, variant: variant, instance: name, socketPath: socket,
            environment: ProcessInfo.processInfo.environment
        ).run()
    }
}
