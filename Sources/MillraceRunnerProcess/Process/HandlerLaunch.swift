import MillraceCore
import MillraceProcesses
import MillraceWire

/// How a handler is started.
struct HandlerLaunch: Sendable {
    private let command: ChildCommand

    /// - Throws: `invalid_manifest` when there is no command.
    init(_ configuration: ProcessRunnerConfiguration) throws {
        let words = configuration.command.map { $0.replacing("{python}", with: configuration.python) }
        let environment = configuration.environment.merging(Self.variables(configuration)) { $1 }
        guard let command = ChildCommand(words, environment: environment, in: configuration.modelDirectory) else {
            throw MillraceError(
                .invalidManifest, "the model has no command", hint: #"give one in model.yaml: command: ["{python}", "handler.py"]"#)
        }
        self.command = command
    }

    private static func variables(_ configuration: ProcessRunnerConfiguration) -> [String: String] {
        var variables = [
            HandlerProtocol.Variable.modelDirectory: configuration.modelDirectory,
            HandlerProtocol.Variable.features: HandlerProtocol.Feature.allCases.map(\.rawValue).joined(separator: ","),
            "PYTHONUNBUFFERED": "1",
            // A model's directory is content with a digest; compiled files would change it.
            "PYTHONDONTWRITEBYTECODE": "1",
        ]
        let path = [configuration.shimDirectory, configuration.environment["PYTHONPATH"]].compactMap { $0 }.filter { !$0.isEmpty }
        if !path.isEmpty { variables["PYTHONPATH"] = path.joined(separator: ":") }
        return variables
    }

    func command(socketPath: String) -> ChildCommand {
        var command = command
        command.environment[HandlerProtocol.Variable.socket] = socketPath
        return command
    }
}
