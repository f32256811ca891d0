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
            commandName: "cancel", abstract: "Stop jobs.", discussion: "A job that runs stops a little later, when its model hears of it.")

        @Argument(help: "The ids of the jobs.")
        var jobs: [JobID]

        @Flag(help: "Print the jobs as lines of JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try await Steering.each(jobs, connection, json) { try await $0.cancel($1) }
        }
    }

    struct RetryCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retry", abstract: "Run jobs again that failed, were cancelled or expired.",
            discussion: """
                EXAMPLES:
                  millrace jobs retry 01931d7f-7f4c-7000-8000-000000000001
                  millrace jobs list --state failed --json | jq -r '.jobs[].id' |
                    xargs millrace jobs retry
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
        var first: ExitStatus?
        for id in jobs {
            do {
                let job = try await change(client, id)
                try console.print(json ? try MillraceJSON.string(job) : "\(id)  \(JobText.state(job))\(job.cancelRequested ? " (being cancelled)" : "")")
            } catch {
                guard jobs.count > 1 else { throw error }
                for line in ErrorText.lines(error) { console.note("\(id)  \(line)") }
                first = first ?? ExitStatus(error)
            }
        }
        if let first { throw ExitCode(first.rawValue) }
    }
}
