import ArgumentParser
import Foundation
import MillraceClient

/// Which server, and as whom.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "The server's address. [MILLRACE_SERVER, else http://127.0.0.1:8080]")
    var server: String?

    @Option(help: "The API key. Others on this machine can read a command line: MILLRACE_API_KEY is safer. [else the file api-key in MILLRACE_DATA]")
    var key: String?

    static let defaultServer = "http://127.0.0.1:8080"

    func client(_ surroundings: CommandSurroundings = .current) throws -> MillraceClient {
        MillraceClient(
            baseURL: server ?? surroundings.set("MILLRACE_SERVER") ?? Self.defaultServer, apiKey: key ?? Self.key(surroundings),
            surroundings: surroundings.surroundings)
    }

    private static func key(_ surroundings: CommandSurroundings) -> String? {
        if let key = surroundings.set("MILLRACE_API_KEY") { return key }
        let data = surroundings.set("MILLRACE_DATA") ?? ".millrace"
        let text = try? String(contentsOfFile: "\(data)/api-key", encoding: .utf8)
        return text.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension CommandSurroundings {
    /// An environment variable; an empty one counts as none.
    func set(_ variable: String) -> String? {
        variables[variable].flatMap { $0.isEmpty ? nil : $0 }
    }
}
