import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

extension JobsCommand {
    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List jobs, the newest first.",
            discussion: """
                EXAMPLES:
                  millrace jobs list
                  millrace jobs list --endpoint ocr --state queued,running
                  millrace jobs list --state failed --json | jq -r '.jobs[].id'
                """)

        @Option(help: "Only jobs of this endpoint.")
        var endpoint: String?

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
            _ = try states()
        }

        private func states() throws -> [JobState] {
            try (state ?? "").split(separator: ",").map { name in
                if let state = JobState(rawValue: String(name)) { return state }
                let known = JobState.allCases.map(\.rawValue)
                let near = Spelling.nearest(to: String(name), in: known)
                throw ValidationError("\"\(name)\" is no state of a job; " + (near.map { "did you mean \"\($0)\"?" } ?? "there are \(known.joined(separator: ", "))"))
            }
        }

        func run() async throws {
            let surroundings = CommandSurroundings.current
            let list = try await connection.client().jobs(endpoint: endpoint, states: try states(), limit: limit, cursor: cursor)
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

    struct ShowCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show everything about one job.")

        @Argument(help: "The job's id.")
        var job: JobID

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let surroundings = CommandSurroundings.current
            let job = try await connection.client().job(job)
            if json { return try surroundings.console.print(try MillraceJSON.string(job, pretty: true)) }
            for line in JobText.render(JobText.facts(job, now: surroundings.surroundings.now())) { try surroundings.console.print(line) }
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
