import ArgumentParser
import Foundation
import MillraceApp
import MillraceCore

struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Serve one endpoint's model, or make this machine part of a server's fleet.",
        discussion: """
            The server starts workers of its machine by itself. A worker connects to the server's Unix socket, loads the model, takes
            jobs and ends when it is told to drain. Start one by hand to look at a model's start, or under a debugger. "join" makes
            another machine part of the fleet.

            Examples:
              millrace worker --endpoint sentiment
              millrace worker join https://millrace.example.com --key-file worker-key
            """,
        subcommands: [WorkerRun.self, WorkerJoin.self], defaultSubcommand: WorkerRun.self)
}

/// How a worker elsewhere reaches its server.
struct RemoteOptions: ParsableArguments {
    @Option(help: "A file with the worker key. \"join\" reads it at each report, \"run\" once.") var keyFile: String?
    @Option(help: "A PEM file of certificates to trust in place of the system's.") var caFile: String?
    @Flag(help: "Allow http:// to another machine: the key and all data can be read on the way.") var insecure = false
    @Option(help: "The most bytes of models that are kept, for example 50GB.") var cacheMax = "50GB"

    func cacheBytesMax() throws -> Int64 {
        guard let bytes = Quantity.bytes(cacheMax), bytes > 0 else { throw ValidationError("--cache-max must be a size such as 500MB or 50GB, not \(cacheMax)") }
        return bytes
    }
}

struct WorkerRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "Serve one endpoint's model.")

    @OptionGroup var options: SettingsOptions
    @Option(help: "The endpoint to serve.") var endpoint: String
    @Option(help: "The variant to serve.") var variant = "a"
    @Option(help: "The name its fleet knows it by.") var instance: String?
    @Option(help: "The server's socket; found in the data directory when left out.") var socket: String?
    @Option(help: "The address of a server on another machine, in place of a socket. Needs a worker key.") var gateway: String?
    @OptionGroup var remote: RemoteOptions
    @Flag(help: .init("The worker key comes on standard input, whose end stops the worker.", visibility: .hidden)) var keyFromStdin = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let name = instance ?? "manual:\(ProcessInfo.processInfo.processIdentifier)"
        // The gateway tells a worker what it serves, with its version.
        try await WorkerApp(
            settings: try options.load(versions: false), endpoint: endpoint, variant: variant, instance: name, socketPath: socket,
            remote: try gateway.map { address in
                WorkerApp.Remote(
                    location: try GatewayLocation(address, caFile: remote.caFile, insecure: remote.insecure),
                    key: keyFromStdin ? nil : try WorkerKeySource(key: nil, keyFile: remote.keyFile, environment: environment),
                    cacheBytesMax: try remote.cacheBytesMax())
            },
            environment: environment
        ).run()
    }
}

struct WorkerJoin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Make this machine part of a server's fleet.",
        discussion: """
            Needs the server's address and a worker key, and no other access to anything. The server decides which endpoints' workers run
            here, within the slots that this machine has. Models are fetched and kept in the data directory. A server that is away is asked again;
            what runs goes on meanwhile. SIGTERM finishes or gives back what is held.

            Make the key on the server: millrace keys create --worker --name gpu-1

            Examples:
              millrace worker join https://millrace.example.com --key-file worker-key
              MILLRACE_WORKER_KEY=mrw_... millrace worker join https://10.0.0.5:8443 --ca-file ca.pem --endpoint ocr --slots 2
            """)

    @Argument(help: "The server's address: https://...") var url: String
    @OptionGroup var options: SettingsOptions
    @OptionGroup var remote: RemoteOptions
    @Option(help: "The worker key. Other users of this machine can see it in the list of processes: prefer --key-file or MILLRACE_WORKER_KEY.") var key: String?
    @Option(help: "Serve only this endpoint; may be given several times.") var endpoint: [String] = []
    @Option(help: "How many workers without a GPU; half the cores, at least 2, when left out. Each GPU is a slot of its own.") var slots: Int?
    @Option(help: "This machine's name in the fleet; made from the host's name and kept when left out.") var name: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        if let slots, !(0...1024).contains(slots) { throw ValidationError("--slots must be from 0 to 1024") }
        try await JoinApp(
            settings: try options.load(versions: false),
            location: try GatewayLocation(url, caFile: remote.caFile, insecure: remote.insecure),
            key: try WorkerKeySource(key: key, keyFile: remote.keyFile, environment: environment),
            terms: .init(name: name, slots: slots, endpoints: endpoint, cacheBytesMax: try remote.cacheBytesMax()), environment: environment
        ).run()
    }
}
