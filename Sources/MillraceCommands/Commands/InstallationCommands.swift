import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints", abstract: "List the endpoints, or show what one of them takes.",
        discussion: """
            EXAMPLES:
              millrace endpoints
              millrace endpoints ocr
            """)

    @Argument(help: "Show this endpoint with its parameters.")
    var name: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let console = CommandSurroundings.current.console
        let endpoints = try await connection.client().endpoints()
        guard let name else {
            if json { return try console.print(try MillraceJSON.string(EndpointList(endpoints: endpoints), pretty: true)) }
            guard !endpoints.isEmpty else { return console.note("no endpoints; millrace.yaml names them") }
            return try console.print(Self.table(endpoints))
        }
        guard let endpoint = endpoints.first(where: { $0.name == name }) else {
            let near = Spelling.nearest(to: name, in: endpoints.map(\.name))
            throw CommandFault(.notFound, "there is no endpoint \"\(name)\"", hint: near.map { "did you mean \"\($0)\"?" })
        }
        if json { return try console.print(try MillraceJSON.string(endpoint, pretty: true)) }
        for line in JobText.render(Self.facts(endpoint)) { try console.print(line) }
        guard !endpoint.parameters.isEmpty else { return }
        try console.print("")
        try console.print(Self.parameterTable(endpoint))
    }

    static func table(_ endpoints: [EndpointResource]) -> Table {
        var table = Table([
            .init("ENDPOINT"), .init("QUEUED", right: true), .init("RUNNING", right: true), .init("WORKERS", right: true),
            .init("MODEL", flexible: true), .init("DESCRIPTION", flexible: true),
        ])
        table.rows = endpoints.map { [$0.name, "\($0.queued)", "\($0.running)", "\($0.workers)", $0.model, $0.description ?? ""] }
        return table
    }

    static func facts(_ endpoint: EndpointResource) -> [(String, String)] {
        [
            ("endpoint", endpoint.name), ("description", endpoint.description ?? ""), ("model", endpoint.model),
            ("version", String(endpoint.modelVersion.prefix(12))),
            ("accepts", endpoint.accepts.isEmpty ? "anything" : endpoint.accepts.joined(separator: ", ")),
            ("bytes", "up to \(Quantities.bytes(endpoint.bytesMax))"),
            ("now", "\(endpoint.queued) queued, \(endpoint.running) running, \(endpoint.workers) workers"),
        ].filter { !$0.1.isEmpty }
    }

    static func parameterTable(_ endpoint: EndpointResource) -> Table {
        var table = Table([.init("PARAMETER"), .init("TYPE"), .init("DEFAULT"), .init("DESCRIPTION", flexible: true)])
        table.rows = endpoint.parameters.sorted { $0.key < $1.key }.map { name, declaration in
            let value = declaration.default.map { $0.stringValue ?? (try? MillraceJSON.string($0)) ?? "" }
            return [name, declaration.type.rawValue, value ?? (declaration.required ? "required" : ""), declaration.description ?? ""]
        }
        return table
    }
}

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

extension Console {
    /// A table, cut to the terminal's width when it goes to one.
    func print(_ table: Table) throws {
        for line in table.rendered(width: screen.outputIsTerminal ? screen.width() : nil) { try print(line) }
    }
}
