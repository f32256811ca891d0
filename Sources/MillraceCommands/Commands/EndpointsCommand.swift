import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints", abstract: "List the endpoints, show what one of them takes, or stop and open it.",
        discussion: """
            EXAMPLES:
              millrace endpoints
              millrace endpoints ocr
              millrace endpoints pause ocr --reason "wrong labels"
              millrace endpoints drain ocr --wait
              millrace endpoints resume ocr
            """,
        subcommands: [ListCommand.self, PauseCommand.self, ResumeCommand.self, DrainCommand.self], defaultSubcommand: ListCommand.self)
}

extension EndpointsCommand {
    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the endpoints, or show one.")

        @Argument(help: "Show this endpoint with its parameters.")
        var name: String?

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let console = CommandSurroundings.current.console
            let now = CommandSurroundings.current.surroundings.now()
            let endpoints = try await connection.client().endpoints()
            guard let name else {
                if json { return try console.print(try MillraceJSON.string(EndpointList(endpoints: endpoints), pretty: true)) }
                guard !endpoints.isEmpty else { return console.note("no endpoints; millrace.yaml names them") }
                try console.print(EndpointsCommand.table(endpoints))
                for line in endpoints.compactMap({ EndpointsCommand.modeLine($0, now: now) }) { console.note(line) }
                return
            }
            guard let endpoint = endpoints.first(where: { $0.name == name }) else {
                let near = Spelling.nearest(to: name, in: endpoints.map(\.name))
                throw CommandFault(.notFound, "there is no endpoint \"\(name)\"", hint: near.map { "did you mean \"\($0)\"?" })
            }
            if json { return try console.print(try MillraceJSON.string(endpoint, pretty: true)) }
            for line in JobText.render(EndpointsCommand.facts(endpoint, now: now)) { try console.print(line) }
            guard !endpoint.parameters.isEmpty else { return }
            try console.print("")
            try console.print(EndpointsCommand.parameterTable(endpoint))
        }
    }

    static func table(_ endpoints: [EndpointResource]) -> Table {
        var table = Table([
            .init("ENDPOINT"), .init("MODE"), .init("QUEUED", right: true), .init("RUNNING", right: true), .init("WORKERS", right: true),
            .init("MODEL", flexible: true), .init("DESCRIPTION", flexible: true),
        ])
        table.rows = endpoints.map { [$0.name, $0.mode.rawValue, "\($0.queued)", "\($0.running)", "\($0.workers)", $0.model, $0.description ?? ""] }
        return table
    }

    /// Why an endpoint does not do its usual work; `nil` when it does.
    static func modeLine(_ endpoint: EndpointResource, now: Timestamp) -> String? {
        guard endpoint.mode != .open else { return nil }
        let since = endpoint.modeSince.map { " (\(Quantities.age(now.since($0))))" } ?? ""
        return TerminalText.safe("\(endpoint.name) is \(endpoint.mode.rawValue)\(since)" + (endpoint.modeReason.map { ": \($0)" } ?? ""))
    }

    static func facts(_ endpoint: EndpointResource, now: Timestamp) -> [(String, String)] {
        [
            ("endpoint", endpoint.name), ("description", endpoint.description ?? ""), ("model", endpoint.model),
            ("version", String(endpoint.modelVersion.prefix(12))),
            ("accepts", endpoint.accepts.isEmpty ? "anything" : endpoint.accepts.joined(separator: ", ")),
            ("bytes", "up to \(Quantities.bytes(endpoint.bytesMax))"),
            ("mode", endpoint.mode.rawValue + (endpoint.modeSince.map { " since \($0) (\(Quantities.age(now.since($0))))" } ?? "")),
            ("reason", endpoint.modeReason ?? ""), ("problem", endpoint.problem ?? ""),
            ("now", "\(endpoint.queued) queued\(endpoint.scheduled > 0 ? " (\(endpoint.scheduled) for later)" : ""), \(endpoint.running) running, \(endpoint.workers) workers"),
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
