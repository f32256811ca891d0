import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

struct ScalingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling", abstract: "Show how fleets stand, what was decided and why, and what it costs.",
        discussion: """
            EXAMPLES:
              millrace scaling
              millrace scaling decisions ocr
              millrace scaling starts
              millrace scaling cost --from 2026-11-01
            """,
        subcommands: [ShowCommand.self, DecisionsCommand.self, StartsCommand.self, CostCommand.self], defaultSubcommand: ShowCommand.self)
}

extension ScalingCommand {
    struct ShowCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show each fleet: how many workers are wanted and there, in which state and why.")

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let (console, now) = (CommandSurroundings.current.console, CommandSurroundings.current.surroundings.now())
            let list = try await connection.client().fleets()
            if json { return try console.print(try MillraceJSON.string(list, pretty: true)) }
            guard !list.fleets.isEmpty else { return console.note("no endpoints; millrace.yaml names them") }
            try console.print(ScalingText.fleets(list, now: now))
            for line in ScalingText.remarks(list, now: now) { console.note(line) }
        }
    }

    struct DecisionsCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "decisions", abstract: "List what was decided, the latest first, each with its reason.",
            discussion: "With --json each decision has its inputs, too.")

        @Argument(help: "Only of this endpoint.")
        var endpoint: String?

        @Option(help: "At most so many.")
        var limit = 50

        @Option(help: "Go on after a page: the cursor that it ended with.")
        var cursor: String?

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            guard (1...200).contains(limit) else { throw ValidationError("--limit is from 1 to 200") }
        }

        func run() async throws {
            let console = CommandSurroundings.current.console
            let list = try await connection.client().scalingDecisions(of: endpoint, limit: limit, cursor: cursor)
            if json { return try console.print(try MillraceJSON.string(list, pretty: true)) }
            guard !list.decisions.isEmpty else { return console.note("nothing was decided yet") }
            try console.print(ScalingText.decisions(list.decisions))
            if let next = list.nextCursor { console.note("more with: --cursor \(next)") }
        }
    }

    struct StartsCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "starts", abstract: "List how workers started, phase by phase, the latest first.")

        @Argument(help: "Only of this endpoint.")
        var endpoint: String?

        @Option(help: "At most so many.")
        var limit = 20

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            guard (1...200).contains(limit) else { throw ValidationError("--limit is from 1 to 200") }
        }

        func run() async throws {
            let console = CommandSurroundings.current.console
            let starts = try await connection.client().coldStarts(of: endpoint, limit: limit)
            if json { return try console.print(try MillraceJSON.string(ColdStartList(starts: starts), pretty: true)) }
            guard !starts.isEmpty else { return console.note("no worker has started yet") }
            try console.print(ScalingText.starts(starts))
        }
    }

    struct CostCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cost", abstract: "Show what workers used and cost, by endpoint and day, and what was saved against workers that are always on.",
            discussion: "Days are of UTC. A worker counts as one GPU, whether it has one or not. Prices are in the settings: scaling.price.")

        @Argument(help: "Only of this endpoint.")
        var endpoint: String?

        @Option(help: "The first day, such as 2026-11-01. (default: six days before the last)")
        var from: Day?

        @Option(help: "The last day. (default: today)")
        var to: Day?

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let console = CommandSurroundings.current.console
            let report = try await connection.client().cost(of: endpoint, from: from, to: to)
            if json { return try console.print(try MillraceJSON.string(report, pretty: true)) }
            try console.print(ScalingText.cost(report))
        }
    }
}

extension Day: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
