import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

extension JobsCommand {
    struct ShowCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show everything about one job: its facts, and its history.",
            discussion: "With --json it is the job; `millrace jobs history --json` gives the history.")

        @Argument(help: "The job's id.")
        var job: JobID

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let surroundings = CommandSurroundings.current
            let client = try connection.client()
            let job = try await client.job(job)
            if json { return try surroundings.console.print(try MillraceJSON.string(job, pretty: true)) }
            for line in JobText.render(JobText.facts(job, now: surroundings.surroundings.now())) { try surroundings.console.print(line) }
            try surroundings.console.print("")
            try surroundings.console.print(HistoryText.table(try await client.history(of: job.id)))
        }
    }

    struct LogsCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "logs", abstract: "Print what a job's model said.",
            discussion: "`millrace jobs watch` shows new lines as they come.")

        @Argument(help: "The job's id.")
        var job: JobID

        @Flag(help: "Print one JSON object a line.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let console = CommandSurroundings.current.console
            let lines = try await connection.client().logs(of: job)
            for line in lines {
                try console.print(
                    json
                        ? try MillraceJSON.string(line)
                        : LogText.line(line.message, line.level, at: line.at, color: console.screen.usesColor && console.screen.outputIsTerminal))
            }
            if lines.isEmpty, !json { console.note("the job has said nothing") }
        }
    }

    struct HistoryCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "history", abstract: "Print every change of a job's state, with time, attempt, worker and reason.")

        @Argument(help: "The job's id.")
        var job: JobID

        @Flag(help: "Print one JSON object a line.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let console = CommandSurroundings.current.console
            let entries = try await connection.client().history(of: job)
            guard json else { return try console.print(HistoryText.table(entries)) }
            for entry in entries { try console.print(try MillraceJSON.string(entry)) }
        }
    }

    struct ResultCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "result", abstract: "Print or save the result of a job.",
            discussion: """
                EXAMPLES:
                  millrace jobs result 01931d7f-7f4c-7000-8000-000000000001 | jq .
                  millrace jobs result 01931d7f-7f4c-7000-8000-000000000001 model.onnx -o m.onnx
                  millrace jobs result 01931d7f-7f4c-7000-8000-000000000001 --output out/
                """)

        @Argument(help: "The job's id.")
        var job: JobID

        @Argument(help: "Which output; `millrace jobs show` lists them. (default: the first)")
        var name: String?

        @Option(name: .shortAndLong, help: "Save it in this file, or all outputs in this folder; - is standard output.")
        var output: String?

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let console = CommandSurroundings.current.console
            let client = try connection.client()
            let job = try await client.job(job)
            if job.state.isFinal, job.state != .succeeded { throw JobText.fault(job) }
            // A job that still runs is the server's to refuse, with its own words.
            try await ResultSink(client: client, console: console).take(job, name: name, to: output)
        }
    }
}
