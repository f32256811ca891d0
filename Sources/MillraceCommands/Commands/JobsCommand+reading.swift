import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

extension JobsCommand {
    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List jobs, the newest first.", usage: "millrace jobs [list] [<options>]",
            discussion: """
                EXAMPLES:
                  millrace jobs list
                  millrace jobs list --endpoint ocr --state queued,running
                  millrace jobs list --state failed --code worker_lost --created-after 1d
                  millrace jobs list --state failed --json | jq -r '.jobs[].id'
                """)

        @OptionGroup var select: SelectionOptions

        @Option(help: "Only jobs in these states: queued, running, succeeded, failed, cancelled, expired; with commas between.")
        var state: String?

        @Option(help: "How many, 1 to 200.")
        var limit = 20

        @Option(help: "Go on where an earlier list ended.")
        var cursor: String?

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            guard (1...200).contains(limit) else { throw ValidationError("--limit goes from 1 to 200") }
            _ = try [JobState].parse(state)
        }

        func run() async throws {
            let surroundings = CommandSurroundings.current
            let list = try await connection.client().jobs(select.selection(try .parse(state)), limit: limit, cursor: cursor)
            let console = surroundings.console
            if json { return try console.print(try MillraceJSON.string(list, pretty: true)) }
            guard !list.jobs.isEmpty else { return console.note("no jobs") }
            try console.print(Self.table(list.jobs, now: surroundings.surroundings.now(), color: console.screen.usesColor && console.screen.outputIsTerminal))
            if let cursor = list.nextCursor { console.note("there are more: --cursor \(cursor)") }
        }

        static func table(_ jobs: [JobResource], now: Timestamp, color: Bool) -> Table {
            var table = Table([.init("JOB"), .init("STATE"), .init("ENDPOINT", flexible: true), .init("CREATED", right: true), .init("REMARK", flexible: true)])
            table.rows = jobs.map {
                [$0.id.description, JobText.state($0), $0.endpoint, Quantities.age(now.since($0.createdAt)), JobText.remark($0, now: now)]
            }
            table.paint = { column, text in
                column == 1 ? JobText.paint(String(text.prefix { $0 != " " }))(text, color) : text
            }
            return table
        }
    }

    struct CountCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "count", abstract: "Count jobs.", usage: "millrace jobs count [<options>]",
            discussion: """
                EXAMPLES:
                  millrace jobs count --endpoint ocr --state queued
                  millrace jobs count --state failed --created-after 1d
                """)

        @OptionGroup var select: SelectionOptions

        @Option(help: "Only jobs in these states: queued, running, succeeded, failed, cancelled, expired; with commas between.")
        var state: String?

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func validate() throws { _ = try [JobState].parse(state) }

        func run() async throws {
            let count = try await connection.client().count(select.selection(try .parse(state)))
            try CommandSurroundings.current.console.print(json ? try MillraceJSON.string(JobCount(count: count), pretty: true) : "\(count)")
        }
    }
}
