import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

struct DeadLettersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "See why jobs failed for good, and send them round again.",
        discussion: """
            A job that failed and is not tried again stays here until its endpoint's retention ends.

            EXAMPLES:
              millrace dead-letters list --endpoint ocr
              millrace dead-letters show 01931d7f-7f4c-7000-8000-000000000001
              millrace dead-letters redrive --endpoint ocr --code worker_lost
            """,
        subcommands: [ListCommand.self, ShowCommand.self, RedriveCommand.self], defaultSubcommand: ListCommand.self)
}

extension DeadLettersCommand {
    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List failed jobs with their errors, the newest first.",
            usage: "millrace dead-letters [list] [<options>]")

        @OptionGroup var select: SelectionOptions

        @Option(help: "How many, 1 to 200.")
        var limit = 20

        @Option(help: "Go on where an earlier list ended.")
        var cursor: String?

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            guard (1...200).contains(limit) else { throw ValidationError("--limit goes from 1 to 200") }
        }

        func run() async throws {
            let surroundings = CommandSurroundings.current
            let console = surroundings.console
            let list = try await connection.client().deadLetters(select.selection(), limit: limit, cursor: cursor)
            if json { return try console.print(try MillraceJSON.string(list, pretty: true)) }
            guard !list.jobs.isEmpty else { return console.note("no dead letters") }
            try console.print(Self.table(list.jobs, now: surroundings.surroundings.now()))
            let codes = list.codes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
            console.note("errors here: \(codes.joined(separator: ", ")). Send them round again with: millrace dead-letters redrive --all")
            if let cursor = list.nextCursor { console.note("there are more: --cursor \(cursor)") }
        }

        static func table(_ jobs: [JobResource], now: Timestamp) -> Table {
            var table = Table([
                .init("JOB"), .init("ENDPOINT", flexible: true), .init("FAILED", right: true), .init("ATTEMPTS", right: true),
                .init("CRASHES", right: true), .init("ERROR", flexible: true), .init("MESSAGE", flexible: true),
            ])
            table.rows = jobs.map { job in
                [
                    job.id.description, job.endpoint, job.finishedAt.map { Quantities.age(now.since($0)) } ?? "", "\(job.attempt)",
                    "\(job.crashes)", job.error?.code ?? "", job.error?.message ?? "",
                ]
            }
            return table
        }
    }

    struct ShowCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a failed job: its error, what its worker said last, and its history.")

        @Argument(help: "The job's id.")
        var job: JobID

        @Flag(help: "Print the job as JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let client = try connection.client()
            let known = try await client.job(job)
            guard known.state == .failed else {
                throw CommandFault(.refused, "job \(job) is no dead letter: it is \(JobText.state(known))", hint: "see it with: millrace jobs show \(job)")
            }
            let surroundings = CommandSurroundings.current
            if json { return try surroundings.console.print(try MillraceJSON.string(known, pretty: true)) }
            for line in JobText.render(JobText.facts(known, now: surroundings.surroundings.now())) { try surroundings.console.print(line) }
            try surroundings.console.print("")
            try surroundings.console.print(HistoryText.table(try await client.history(of: job)))
            surroundings.console.note("send it round again with: millrace dead-letters redrive \(job)")
        }
    }

    struct RedriveCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "redrive", abstract: "Run failed jobs again, by their ids or many at once.",
            usage: "millrace dead-letters redrive [<jobs> ...] [<options>]",
            discussion: """
                Attempts and crashes count anew; the history stays. On a terminal many jobs are
                counted first, and you are asked.

                EXAMPLES:
                  millrace dead-letters redrive 01931d7f-7f4c-7000-8000-000000000001
                  millrace dead-letters redrive --endpoint ocr --code worker_lost
                  millrace dead-letters redrive --state expired --created-after 1d --yes
                  millrace dead-letters redrive --all
                """)

        @Argument(help: "The ids of the jobs.")
        var jobs: [JobID] = []

        @OptionGroup var select: SelectionOptions

        @Option(help: "Jobs in these states instead of failed ones: failed, cancelled, expired; with commas between.")
        var state: String?

        @Flag(help: "Every failed job.")
        var all = false

        @Flag(name: .shortAndLong, help: "Do not ask.")
        var yes = false

        @Flag(help: "Print the jobs as lines of JSON, or how many were changed.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func validate() throws { try ManyJobs.check(jobs, try selection()) }

        private func selection() throws -> JobSelection {
            select.selection(try .parse(state, of: ManyJobs.Action.redrive.allowed), all: all)
        }

        func run() async throws {
            guard jobs.isEmpty else { return try await Steering.each(jobs, connection, json) { try await $0.retry($1) } }
            try await ManyJobs(client: try connection.client(), action: .redrive, selection: try selection()).run(asks: !yes, json: json)
        }
    }
}
