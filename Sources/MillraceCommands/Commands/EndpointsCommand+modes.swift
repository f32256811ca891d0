import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

extension EndpointsCommand {
    /// What all changes of an endpoint's mode take.
    struct ModeOptions: ParsableArguments {
        @Argument(help: "The endpoint's name; `millrace endpoints` lists them.")
        var name: String

        @Option(help: "Why, for whoever looks at the endpoint.")
        var reason: String?

        @Flag(help: "Print the endpoint as JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        /// - Parameter remark: what it means, told beside the data.
        func set(_ mode: EndpointMode, remark: String) async throws {
            let console = CommandSurroundings.current.console
            let endpoint = try await connection.client().setMode(mode, of: name, reason: reason)
            if json { return try console.print(try MillraceJSON.string(endpoint, pretty: true)) }
            try console.print("\(endpoint.name)  \(endpoint.mode.rawValue)")
            console.note(remark)
        }
    }

    struct PauseCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pause", abstract: "Take jobs, but run none until the endpoint is resumed. What runs goes on.")

        @OptionGroup var options: ModeOptions

        func run() async throws {
            try await options.set(.paused, remark: "its jobs wait now; run them again with: millrace endpoints resume \(options.name)")
        }
    }

    struct ResumeCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "Open an endpoint that was paused or drained.")

        @OptionGroup var options: ModeOptions

        func run() async throws {
            try await options.set(.open, remark: "it takes jobs and runs them")
        }
    }

    struct DrainCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drain", abstract: "Take no more jobs, and run those that are there.",
            discussion: "Clients are refused with 503 and told to come again. Ctrl-C while waiting stops the waiting, not the draining.")

        @OptionGroup var options: ModeOptions

        @Flag(help: "Wait until nothing is queued or running.")
        var wait = false

        func run() async throws {
            try await options.set(.draining, remark: "it takes no jobs now; open it again with: millrace endpoints resume \(options.name)")
            guard wait else { return }
            try await DrainFollower(client: try options.connection.client(), endpoint: options.name).follow()
        }
    }
}
