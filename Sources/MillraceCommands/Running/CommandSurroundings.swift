import Foundation
import MillraceClient
import MillraceCore
import Synchronization

/// What a command takes from outside, so that a test can give something else.
public struct CommandSurroundings: Sendable {
    public var variables: [String: String]
    public var console: Console
    public var surroundings: Surroundings
    /// Ends when somebody presses Ctrl-C.
    public var interruption: @Sendable () async -> Void
    /// Asks whoever sits at the terminal; `nil` where nobody does.
    public var answer: (@Sendable (_ question: String) -> String?)?
    /// What a settings file says of an endpoint's scaling: read as the server reads it, of which this module knows nothing.
    public var scaling: @Sendable (_ endpoint: String, _ file: String) throws -> ScalingConfiguration = { _, file in
        throw CommandFault(.failure, "\(file) cannot be read: this program reads no settings")
    }

    public init(
        variables: [String: String], console: Console, surroundings: Surroundings, interruption: @escaping @Sendable () async -> Void,
        answer: (@Sendable (_ question: String) -> String?)? = nil
    ) {
        self.answer = answer
        self.variables = variables
        self.console = console
        self.surroundings = surroundings
        self.interruption = interruption
    }

    /// Set once per run of a command; commands are values that the argument parser makes, so nothing can be handed to them.
    // lint: this is the command line's edge; nothing below it reads the environment.
    @TaskLocal public static var current = CommandSurroundings.process(ProcessInfo.processInfo.environment)

    public static func process(_ variables: [String: String]) -> CommandSurroundings {
        CommandSurroundings(
            variables: variables, console: .standard(environment: variables), surroundings: .system,
            interruption: { await Interrupt.wait() }, answer: isatty(0) == 1 && isatty(2) == 1 ? ask : nil)
    }
}

/// Asks on standard error, so that what is piped stays clean.
@Sendable private func ask(_ question: String) -> String? {
    FileHandle.standardError.write(Data(question.utf8))
    return readLine()
}

enum Interrupt {
    /// Waits for SIGINT, which no longer ends the process while somebody waits; returns too when the task is cancelled.
    static func wait() async {
        let (interrupts, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler { continuation.yield() }
        source.resume()
        defer {
            source.cancel()
            signal(SIGINT, SIG_DFL)
        }
        for await _ in interrupts { return }
    }
}
