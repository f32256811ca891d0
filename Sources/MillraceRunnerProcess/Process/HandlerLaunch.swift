import MillraceCore
import MillraceWire
import Subprocess
import SystemPackage

/// A handler's command line and environment, ready to be started.
struct HandlerLaunch: Sendable {
    let program: String
    let arguments: [String]
    let environment: [String: String]
    let modelDirectory: String

    /// - Throws: `invalid_manifest` when there is no command.
    init(_ configuration: ProcessRunnerConfiguration) throws {
        let command = configuration.command.map { $0.replacing("{python}", with: configuration.python) }
        guard let program = command.first, !program.isEmpty else {
            throw MillraceError(
                .invalidManifest, "the model has no command", hint: #"give one in model.yaml: command: ["{python}", "handler.py"]"#)
        }
        let isRelativePath = program.contains("/") && !program.hasPrefix("/")
        self.program = isRelativePath ? "\(configuration.modelDirectory)/\(program)" : program
        arguments = Array(command.dropFirst())
        modelDirectory = configuration.modelDirectory
        environment = configuration.environment.merging(Self.variables(configuration)) { $1 }
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

    func subprocess(socketPath: String) -> Subprocess.Configuration {
        var environment = environment
        environment[HandlerProtocol.Variable.socket] = socketPath
        var options = PlatformOptions()
        // A session of its own: Ctrl-C in a terminal is not for it, and one signal reaches it with all its children.
        options.createSession = true
        return Subprocess.Configuration(
            executable: program.contains("/") ? .path(FilePath(program)) : .name(program),
            arguments: Arguments(arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(rawValue: $0)!, $1) })),
            workingDirectory: FilePath(modelDirectory),
            platformOptions: options)
    }
}
