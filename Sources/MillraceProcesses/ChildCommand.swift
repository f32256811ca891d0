import Foundation

/// A program with its arguments and everything that it finds in its environment, ready to be started.
public struct ChildCommand: Sendable, Equatable {
    /// A name that is looked for in `PATH`, or a path.
    public var program: String
    public var arguments: [String]
    /// Nothing else is inherited.
    public var environment: [String: String]
    public var folder: String

    /// - Parameters:
    ///   - words: the program and its arguments. A program given as a relative path (with a slash) lies in `folder`.
    ///   - folder: the working directory.
    /// - Returns: `nil` when there is no program.
    public init?(_ words: [String], environment: [String: String], in folder: String) {
        guard let program = words.first, !program.isEmpty else { return nil }
        let isRelativePath = program.contains("/") && !program.hasPrefix("/")
        self.program = isRelativePath ? "\(folder)/\(program)" : program
        arguments = Array(words.dropFirst())
        self.environment = environment
        self.folder = folder
    }

    /// The path of the program, `nil` when there is no such program.
    public var programPath: String? {
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        let paths = program.contains("/") ? [program] : folders.map { "\($0)/\(program)" }
        return paths.first { access($0, X_OK) == 0 }
    }

    /// What of an environment is the business of a program that runs a model: where programs, libraries, devices and
    /// temporary files are and which language is spoken. Keys, tokens and addresses of this process are not.
    public static func cleanEnvironment(from environment: [String: String]) -> [String: String] {
        let needed = [
            "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER",
            "CUDA_HOME",
        ]
        let defaults = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"]
        return defaults.merging(environment.filter { needed.contains($0.key) && !$0.value.isEmpty }) { $1 }
    }

    /// The same program beside a shell that ends its whole session once the reading end of standard input is closed, as it
    /// is when whoever holds the other end is gone, killed or not. The program itself reads nothing.
    ///
    /// For programs that know nothing of Millrace, and so would outlive it.
    public var tethered: ChildCommand {
        var command = self
        command.program = "/bin/sh"
        command.arguments = ["-c", Self.tether, "sh", program] + arguments
        return command
    }

    private static let tether = """
        exec 3<&0 </dev/null
        (trap '' TERM; read -r _ <&3; kill -TERM 0; sleep 5; kill -KILL 0) >/dev/null 2>&1 &
        exec 3<&-
        exec "$@"
        """
}
