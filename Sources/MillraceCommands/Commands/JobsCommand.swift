import ArgumentParser
import MillraceCore

struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "List, follow and steer jobs.",
        discussion: """
            EXAMPLES:
              millrace jobs list --state failed
              millrace jobs cancel --endpoint ocr --state queued
              millrace jobs watch 01931d7f-7f4c-7000-8000-000000000001
              millrace jobs result 01931d7f-7f4c-7000-8000-000000000001 --output report.json
            """,
        subcommands: [
            ListCommand.self, CountCommand.self, ShowCommand.self, WatchCommand.self, ResultCommand.self, LogsCommand.self,
            HistoryCommand.self, CancelCommand.self, RetryCommand.self,
        ],
        defaultSubcommand: ListCommand.self)
}

extension Identifier: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }

    public static var defaultCompletionKind: CompletionKind { .default }
}
