import ArgumentParser
import Foundation
import MillraceCore
import MillraceFakeServer
import Synchronization

@testable import MillraceCommands

/// Runs a command line as the program would, on a screen that a test can read.
struct CommandFixture: Sendable {
    struct Outcome: Sendable {
        var status: Int32
        var output: String
        var error: String

        var text: String { "exit \(status)\n--- stdout\n\(output)--- stderr\n\(error)" }
    }

    struct Root: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "millrace", abstract: ClientCommands.abstract, discussion: ClientCommands.discussion,
            subcommands: ClientCommands.all)
    }

    var isTerminal = false
    var usesColor = false
    var width = 80
    var variables: [String: String] = ["MILLRACE_DATA": "/nowhere"]
    var answer: (@Sendable (String) -> String?)?
    /// Of every endpoint in every file.
    var scaling = ScalingConfiguration()
    var interruption: @Sendable () async -> Void = { await CommandFixture.cancellation() }


    /// Returns when the task is cancelled: a stream that nobody feeds ends then.
    static func cancellation() async {
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        for await _ in stream {}
        continuation.finish()
    }

    func run(_ arguments: String...) async -> Outcome {
        await run(arguments)
    }

    func run(_ arguments: [String], server: FakeServer? = nil) async -> Outcome {
        let output = Mutex<[UInt8]>([])
        let error = Mutex<[UInt8]>([])
        let width = width
        let console = Console(
            screen: .init(outputIsTerminal: isTerminal, errorIsTerminal: isTerminal, usesColor: usesColor, width: { width }),
            output: { bytes in output.withLock { $0 += bytes } }, error: { bytes in error.withLock { $0 += bytes } })
        var variables = variables
        if let server { variables["MILLRACE_SERVER"] = server.url }
        // Nothing passes here but what the server says; the ticker of a redrawn line waits until it is cancelled.
        let surroundings = Surroundings(
            now: { SampleJob.createdAt + .seconds(20) },
            sleep: { duration in
                guard duration == .seconds(1) else { return }
                await CommandFixture.cancellation()
                try Task.checkCancellation()
            },
            random: Surroundings.system.random)
        var outside = CommandSurroundings(variables: variables, console: console, surroundings: surroundings, interruption: interruption, answer: answer)
        outside.scaling = { [scaling] _, _ in scaling }
        let status = await CommandRun.run(Root.self, arguments, in: outside)
        return Outcome(
            status: status, output: String(decoding: output.withLock { $0 }, as: UTF8.self),
            error: String(decoding: error.withLock { $0 }, as: UTF8.self))
    }

    /// Runs against a server that answers as told.
    func run(_ arguments: String..., answer: @escaping FakeServer.Answer) async throws -> (Outcome, [FakeServer.Request]) {
        try await FakeServer.with(answer) { server in
            (await run(arguments, server: server), server.requests)
        }
    }
}
