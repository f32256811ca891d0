import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

struct WorkersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers", abstract: "List the workers that run now.",
        discussion: "No worker is no fault: the first job wakes one.")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let surroundings = CommandSurroundings.current
        let workers = try await connection.client().workers()
        if json { return try surroundings.console.print(try MillraceJSON.string(WorkerList(workers: workers), pretty: true)) }
        guard !workers.isEmpty else { return surroundings.console.note("no workers; the first job wakes one") }
        try surroundings.console.print(Self.table(workers, now: surroundings.surroundings.now()))
    }

    static func table(_ workers: [WorkerResource], now: Timestamp) -> Table {
        var table = Table([
            .init("WORKER"), .init("STATE"), .init("ENDPOINT", flexible: true), .init("JOBS", right: true), .init("HOST", flexible: true),
            .init("PID", right: true), .init("STARTED", right: true), .init("SEEN", right: true),
        ])
        table.rows = workers.map {
            [
                $0.id.description, $0.state, $0.endpoint, "\($0.jobsHeld)", $0.host, "\($0.processID)",
                Quantities.age(now.since($0.startedAt)), Quantities.age(now.since($0.seenAt)),
            ]
        }
        return table
    }
}
