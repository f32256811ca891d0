import ArgumentParser
import Foundation

/// Runs a command line: parses, runs, and turns whatever goes wrong into words on standard error and an exit code.
public enum CommandRun {
    /// - Returns: the exit code.
    public static func run(
        _ root: any AsyncParsableCommand.Type, _ arguments: [String]? = nil, in surroundings: CommandSurroundings = .current
    ) async -> Int32 {
        await CommandSurroundings.$current.withValue(surroundings) {
            do {
                // A reader that goes first is told as an error of writing.
                signal(SIGPIPE, SIG_IGN)
                var command = try root.parseAsRoot(arguments)
                if var command = command as? any AsyncParsableCommand {
                    try await command.run()
                } else {
                    try command.run()
                }
                return ChildExit.success.rawValue
            } catch {
                return report(error, root, surroundings.console)
            }
        }
    }

    private static func report(_ error: any Error, _ root: any AsyncParsableCommand.Type, _ console: Console) -> Int32 {
        console.draw("")
        if let exit = error as? ExitCode { return exit.rawValue }
        if error is Console.NobodyReads { return ChildExit.success.rawValue }
        let parsed = root.exitCode(for: error)
        let text = root.fullMessage(for: error, columns: min(console.screen.width(), 100))
        // Help and version were asked for: they are the data of this command.
        if parsed == .success {
            try? console.print(text)
            return ChildExit.success.rawValue
        }
        if parsed == .validationFailure {
            console.note(text.hasPrefix("Error: ") ? "error: " + text.dropFirst(7) : text)
            return ChildExit.usage.rawValue
        }
        for line in ErrorText.lines(error) { console.note(line) }
        return ChildExit(error).rawValue
    }
}
