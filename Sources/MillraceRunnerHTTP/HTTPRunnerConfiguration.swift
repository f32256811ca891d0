import MillraceCore
import MillraceProcesses

/// Where a model server is or how it is started, what it speaks, and how patient its runner is.
public struct HTTPRunnerConfiguration: Sendable, Equatable {
    public enum Place: Sendable, Equatable {
        /// A server that is already running, by its address without a slash at the end. It is never ended.
        case running(url: String)
        /// A program that the runner starts, watches and ends.
        case started(Launch)
    }

    public struct Launch: Sendable, Equatable {
        /// The program and its arguments; `{port}` stands for the port that the server is to listen on.
        public var command: [String]
        /// All that the program finds in its environment, beside `PORT`.
        public var environment: [String: String]
        /// The working directory.
        public var folder: String

        public init(command: [String], environment: [String: String], folder: String) {
            self.command = command
            self.environment = environment
            self.folder = folder
        }

        /// - Returns: `nil` when there is no program.
        func command(onPort port: Int) -> ChildCommand? {
            var environment = environment
            environment["PORT"] = "\(port)"
            return ChildCommand(command.map { $0.replacing("{port}", with: "\(port)") }, environment: environment, in: folder)
        }
    }

    public var place: Place
    public var dialect: ServerDialect
    /// From the start to the first sign of readiness.
    public var startMax: Duration = .seconds(120)
    /// Bytes of one answer.
    public var answerBytesMax: Int64 = 1_000_000_000
    /// Requests that are under way at a time.
    public var itemsMax: Int
    public var limits = HTTPRunnerLimits()

    public init(_ place: Place, speaking dialect: ServerDialect, itemsMax: Int = 1) {
        self.place = place
        self.dialect = dialect
        self.itemsMax = itemsMax
    }
}

/// The patience of a runner, and how much a server may say.
public struct HTTPRunnerLimits: Sendable, Equatable {
    /// How often an idle server is asked whether it is ready.
    public var probeEvery: Duration = .seconds(10)
    /// How long one such question may take.
    public var probeMax: Duration = .seconds(5)
    /// A server that has not been ready for this long, after something went wrong or while it was idle, is gone.
    public var silenceMax: Duration = .seconds(60)
    /// The longest wait between two questions while a server starts; the first are a tenth of a second apart, or less.
    public var startProbeEvery: Duration = .seconds(1)
    public var connectMax: Duration = .seconds(10)
    /// Between SIGTERM and SIGKILL.
    public var terminateGrace: Duration = .seconds(5)
    /// The wait before a second start when the first failed; doubled with each further failure.
    public var restartBackoffBase: Duration = .seconds(1)
    public var restartBackoffMax: Duration = .seconds(30)
    /// Bytes of one line of standard output or error; the rest of a longer line is left out.
    public var lineBytesMax = 4096
    /// Lines that go to the log in one second, over a longer time; the others are counted and left out.
    public var linesPerSecond = 200
    /// Bytes of standard error that are kept for an error.
    public var stderrTailBytes = 4096
    /// Bytes of an answer that are held in memory; a longer one goes into a file.
    public var answerInMemoryMax = 65_536

    public init() {}
}
