import MillraceClient
import MillraceCore
import MillraceWire

/// The registry of exit codes; the help and the reference page are made from it.
public enum ChildExit: Int32, CaseIterable, Sendable {
    case success = 0
    case failure = 1
    case usage = 2
    case unreachable = 3
    case notFound = 4
    case unauthorized = 5
    case refused = 6
    case interrupted = 130

    public var meaning: String {
        switch self {
        case .success: "done as asked"
        case .failure: "the job failed, was cancelled or expired, or something else went wrong"
        case .usage: "the command line is not understood"
        case .unreachable: "no server answers there, or the connection was lost"
        case .notFound: "there is no such job, endpoint or output"
        case .unauthorized: "the key is missing, wrong or not allowed to do this"
        case .refused: "the server refused the input, a parameter, or the job's state"
        case .interrupted: "stopped by Ctrl-C; a job that was waited for goes on"
        }
    }

    /// Lines of the help.
    static var help: String {
        allCases.map { "  " + TerminalText.padded("\($0.rawValue)", to: 5) + $0.meaning }.joined(separator: "\n")
    }

    public init(_ error: any Error) {
        self =
            switch error {
            case let problem as ProblemDetails: Self(problem)
            case MillraceClientError.unreachable, MillraceClientError.connectionLost: .unreachable
            case MillraceClientError.invalidServer: .usage
            case let fault as CommandFault: fault.status
            case is CancellationError: .interrupted
            default: .failure
            }
    }

    private init(_ problem: ProblemDetails) {
        self =
            switch problem.status {
            case 401, 403: .unauthorized
            case 404: .notFound
            case 400..<500: .refused
            default: .failure
            }
    }
}

/// Why a command ends without having done its work.
struct CommandFault: Error, Equatable {
    var status: ChildExit
    var message: String
    var hint: String?

    init(_ status: ChildExit, _ message: String, hint: String? = nil) {
        self.status = status
        self.message = message
        self.hint = hint
    }
}

/// What people read when a command fails.
enum ErrorText {
    static func lines(_ error: any Error) -> [String] {
        switch error {
        case let problem as ProblemDetails:
            entry("\(problem.detail) (\(problem.code))", problem.hint ?? hint(for: problem))
        case let fault as CommandFault: entry(fault.message, fault.hint)
        case let error as MillraceError: entry("\(error.message) (\(error.code))", error.hint)
        case is CancellationError: entry("stopped", nil)
        default: entry("\(error)", nil)
        }
    }

    private static func entry(_ message: String, _ hint: String?) -> [String] {
        (["error: \(message)"] + (hint.map { ["hint: \($0)"] } ?? [])).map(TerminalText.safeLines)
    }

    private static func hint(for problem: ProblemDetails) -> String? {
        problem.status == 401 ? "give a key with --key or MILLRACE_API_KEY; `millrace keys` makes one on the server" : nil
    }
}
