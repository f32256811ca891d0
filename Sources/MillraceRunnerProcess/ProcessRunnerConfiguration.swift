import MillraceCore
import MillraceProcesses
import MillraceWire

/// How a handler process is started and how patient its runner is.
public struct ProcessRunnerConfiguration: Sendable, Equatable {
    /// The model's `command`; `{python}` stands for ``python``. A program given as a relative path (with a slash) is
    /// looked for in the model's directory, one without in `PATH`.
    public var command: [String]
    /// The model's directory, which becomes the handler's working directory.
    public var modelDirectory: String
    /// The Python interpreter: a name in `PATH` or an absolute path.
    public var python: String
    /// The directory that holds the package `millrace`, put on `PYTHONPATH`; `nil`: none.
    public var shimDirectory: String?
    /// Everything else that the handler finds in its environment. Nothing is inherited:
    /// ``ChildCommand/cleanEnvironment(from:)`` picks what a handler needs of this process's own.
    public var environment: [String: String]
    /// Where the directory of the socket is made; short, for a socket's path has at most 107 bytes.
    public var temporaryDirectory: String
    public var limits = ProcessRunnerLimits()
    /// What the handler has to announce, else it does not start.
    public var requires: Set<HandlerProtocol.Feature> = []

    public init(
        command: [String], modelDirectory: String, python: String = "python3", shimDirectory: String? = nil,
        environment: [String: String] = ChildCommand.cleanEnvironment(from: [:]), temporaryDirectory: String = "/tmp",
        limits: ProcessRunnerLimits = .init()
    ) {
        self.command = command
        self.modelDirectory = modelDirectory
        self.python = python
        self.shimDirectory = shimDirectory
        self.environment = environment
        self.temporaryDirectory = temporaryDirectory
        self.limits = limits
    }
}

/// The patience of a runner, and how much a handler may say.
public struct ProcessRunnerLimits: Sendable, Equatable {
    /// From the start of the process to `ready`.
    public var startMax: Duration = .seconds(120)
    /// How long an item that was asked to stop may go on before its process is ended.
    public var cancelGrace: Duration = .seconds(10)
    /// The same for an item that has to stop because its worker drains: soon the fleet ends the worker anyway, and a
    /// process that is ended here leaves time to give the job back. At most ``cancelGrace``.
    public var drainGrace: Duration = .seconds(3)
    /// Between SIGTERM and SIGKILL.
    public var terminateGrace: Duration = .seconds(5)
    /// How long a handler that closed a channel, or was asked to shut down, may take to exit.
    public var exitGrace: Duration = .seconds(5)
    /// How often a handler is asked whether it lives.
    public var pingEvery: Duration = .seconds(10)
    /// A handler that has not answered a ping for this long hangs.
    public var pongMax: Duration = .seconds(60)
    /// The wait before a second start when the first failed; doubled with each further failure.
    public var restartBackoffBase: Duration = .seconds(1)
    public var restartBackoffMax: Duration = .seconds(30)
    /// Bytes of one line of standard output or error; the rest of a longer line is left out.
    public var lineBytesMax = 4096
    /// Lines that are passed on in one second, over a longer time; the others are counted and left out.
    public var linesPerSecond = 200
    /// Bytes of standard error that are kept for a crash report.
    public var stderrTailBytes = 4096
    /// Bytes of the tensors in the answers of one batch that are kept together.
    public var tensorBytesMax = HandlerProtocol.tensorBytesMax

    public init() {}
}
