import ArgumentParser
import Foundation
import MillraceClient
import MillraceCore
import MillraceWire

struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Hand in a job: files, JSON, or both.",
        discussion: """
            Prints the job's id. With --wait it shows how the job goes on and then prints its result.

            EXAMPLES:
              millrace submit ocr report.pdf
              millrace submit ocr report.pdf --wait --output report.json
              millrace submit sentiment --input '{"text": "a fine day"}' --wait
              millrace submit classify cat.jpg dog.jpg --param topK=3 --wait -o out/
              millrace submit ocr report.pdf --delay 10m --deadline 1h
              id=$(millrace submit ocr report.pdf --callback https://example.com/done)

            Ctrl-C while waiting stops the waiting, not the job.
            """)

    @Argument(help: "The endpoint's name; `millrace endpoints` lists them.")
    var endpoint: String

    @Argument(help: "The input files.")
    var files: [String] = []

    @Option(help: "Inline JSON, or @FILE to read it from a file.")
    var input: String?

    @Option(name: .customLong("param"), help: "A parameter as name=value; may be given several times.")
    var parameters: [String] = []

    @Flag(help: "Wait for the result and print it.")
    var wait = false

    @Option(name: .shortAndLong, help: "With --wait: save the result in this file, or all outputs in this folder.")
    var output: String?

    @Option(help: "Post the final state to this URL.")
    var callback: String?

    @Option(help: "0 (last) to 9 (first). (default: 5)")
    var priority: Int?

    @Option(help: ArgumentHelp("Not before this time: 2026-11-21T18:00:00Z, or with an offset such as +01:00.", valueName: "time"))
    var runAt: Timestamp?

    @Option(help: ArgumentHelp("Not before so long from now: 90s, 10m, 2h, 1d.", valueName: "duration"))
    var delay: DurationArgument?

    @Option(help: ArgumentHelp("Give the job up when it has not ended after so long, all attempts together: 90s, 10m, 2h, 1d.", valueName: "duration"))
    var deadline: DurationArgument?

    @Option(help: ArgumentHelp("Give the job up when no worker has taken it for so long: 90s, 10m, 2h, 1d.", valueName: "duration"))
    var timeToLive: DurationArgument?

    @Option(help: "Submissions with the same key are one job.")
    var idempotencyKey: String?

    @Flag(help: "Print the job as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if files.isEmpty, input == nil, parameters.isEmpty {
            throw ValidationError("there is nothing to submit: name a file, or give --input or --param")
        }
        if output != nil, !wait { throw ValidationError("--output needs --wait; later, `millrace jobs result` saves a result") }
        if let priority, !(0...9).contains(priority) { throw ValidationError("--priority goes from 0 (last) to 9 (first)") }
        if runAt != nil, delay != nil { throw ValidationError("give --run-at or --delay, not both") }
        if let runAt, runAt <= CommandSurroundings.current.surroundings.now() { throw ValidationError("--run-at \(runAt) has passed") }
        _ = try Self.parameters(parameters)
    }

    func run() async throws {
        let surroundings = CommandSurroundings.current
        let client = try connection.client()
        let follower = JobFollower(client, title: endpoint, showsLogs: false)
        let job: JobResource
        do {
            job = try await client.submit(try submission(), to: endpoint) { follower.uploaded($0) }
        } catch {
            surroundings.console.draw("")
            throw error
        }
        if wait {
            try await end(try await follower.follow(job.id), client, surroundings.console)
        } else {
            surroundings.console.draw("")
            try begin(job, surroundings.console)
        }
    }

    private func submission() throws -> JobSubmission {
        JobSubmission(
            input: try Self.input(input), files: files.map { .init(path: $0) }, parameters: try Self.parameters(parameters),
            priority: priority, callback: callback, timeToLive: timeToLive?.duration, runAt: runAt, delay: delay?.duration,
            deadline: deadline?.duration, idempotencyKey: idempotencyKey)
    }

    private func begin(_ job: JobResource, _ console: Console) throws {
        guard !json else { return try console.print(try MillraceJSON.string(job, pretty: true)) }
        try console.print(job.id.description)
        console.note("\(JobText.state(job)); follow it with: millrace jobs watch \(job.id)")
    }

    private func end(_ job: JobResource, _ client: MillraceClient, _ console: Console) async throws {
        if json { try console.print(try MillraceJSON.string(job, pretty: true)) }
        guard job.state == .succeeded else { throw JobText.fault(job) }
        console.note("\(endpoint)  \(JobText.ending(job))")
        if json, output == nil { return }
        try await ResultSink(client: client, console: console).take(job, name: nil, to: output)
    }

    /// `name=value`; the server knows which type a parameter has.
    static func parameters(_ texts: [String]) throws -> [String: JSONValue] {
        try texts.reduce(into: [:]) { parameters, text in
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else { throw ValidationError("--param takes name=value, not \"\(text)\"") }
            guard parameters.updateValue(.string(String(parts[1])), forKey: String(parts[0])) == nil else {
                throw ValidationError("--param \(parts[0]) is given twice")
            }
        }
    }

    static func input(_ text: String?) throws -> JSONValue? {
        guard let text else { return nil }
        var data = Data(text.utf8)
        if text.hasPrefix("@") {
            let path = String(text.dropFirst())
            guard let content = FileManager.default.contents(atPath: path) else { throw CommandFault(.failure, "\(path) cannot be read") }
            data = content
        }
        do {
            return .some(try MillraceJSON.decode(JSONValue.self, from: data))
        } catch {
            throw CommandFault(.usage, "--input is not JSON: \(text.prefix(60))", hint: "a text needs quotes of its own: --input '\"a fine day\"'")
        }
    }
}
