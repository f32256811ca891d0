import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

extension JobsCommand {
    struct WatchCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "watch", abstract: "Follow a job to its end, with its log.",
            discussion: """
                Ends with code 0 when the job succeeded and with 1 when it did not. Ctrl-C stops the watching, not the job.
                With --json every event is one line of JSON.
                """)

        @Argument(help: "The job's id.")
        var job: JobID

        @Flag(help: "Print events as lines of JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let client = try connection.client()
            let known = try await client.job(job)
            let ended = try await JobFollower(client, title: known.endpoint, showsLogs: true, eventsAsJSON: json).follow(job)
            guard ended.state == .succeeded else { throw JobText.fault(ended) }
            CommandSurroundings.current.console.note("\(ended.endpoint)  \(JobText.ending(ended)). Its result: millrace jobs result \(job)")
        }
    }

    struct CancelCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel", abstract: "Stop jobs, by their ids or many at once.",
            usage: "millrace jobs cancel [<jobs> ...] [<options>]",
            discussion: """
                A job that runs stops a little later, when its model hears of it. On a terminal many jobs are counted first, and
                you are asked.

                EXAMPLES:
                  millrace jobs cancel 01931d7f-7f4c-7000-8000-000000000001
                  millrace jobs cancel --endpoint ocr --state queued
                  millrace jobs cancel --created-before 2h --yes
                  millrace jobs cancel --all
                """)

        @Argument(help: "The ids of the jobs.")
        var jobs: [JobID] = []

        @OptionGroup var select: SelectionOptions

        @Option(help: "Only jobs in this state: queued or running. (default: both)")
        var state: String?

        @Flag(help: "Every queued and running job.")
        var all = false

        @Flag(name: .shortAndLong, help: "Do not ask.")
        var yes = false

        @Flag(help: "Print the jobs as lines of JSON, or how many were changed.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func validate() throws { try ManyJobs.check(jobs, try selection()) }

        private func selection() throws -> JobSelection {
            select.selection(try .parse(state, of: ManyJobs.Action.cancel.allowed), all: all)
        }

        func run() async throws {
            guard jobs.isEmpty else { return try await Steering.each(jobs, connection, json) { try await $0.cancel($1) } }
            try await ManyJobs(client: try connection.client(), action: .cancel, selection: try selection()).run(asks: !yes, json: json)
        }
    }

    struct RetryCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retry", abstract: "Run jobs again that failed, were cancelled or expired.",
            discussion: """
                To send many failed jobs round again at once, see `millrace dead-letters redrive`.

                EXAMPLES:
                  millrace jobs retry 01931d7f-7f4c-7000-8000-000000000001
                """)

        @Argument(help: "The ids of the jobs.")
        var jobs: [JobID]

        @Flag(help: "Print the jobs as lines of JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try await Steering.each(jobs, connection, json) { try await $0.retry($1) }
        }
    }
}

/// The same done to several jobs: each is tried, and the first trouble decides the exit code.
enum Steering {
    static func each(
        _ jobs: [JobID], _ connection: ConnectionOptions, _ json: Bool,
        _ change: (MillraceClient, JobID) async throws -> JobResource
    ) async throws {
        let console = CommandSurroundings.current.console
        let client = try connection.client()
        var first: ChildExit?
        for id in jobs {
            do {
                let job = try await change(client, id)
                try console.print(json ? try MillraceJSON.string(job) : "\(id)  \(JobText.state(job))\(job.cancelRequested ? " (being cancelled)" : "")")
            } catch {
                guard jobs.count > 1 else { throw error }
                for line in ErrorText.lines(error) { console.note("\(id)  \(line)") }
                first = first ?? ChildExit(error)
            }
        }
        if let first { throw ExitCode(first.rawValue) }
    }
}
