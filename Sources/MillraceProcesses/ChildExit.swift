import MillraceCore

/// How a process ended.
public enum ChildExit: Equatable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case signaled(Int32)
    /// It never ran, and why.
    case notStarted(String)

    public var isNotStarted: Bool { if case .notStarted = self { true } else { false } }

    public var description: String {
        switch self {
        case .exited(let code): "exited with status \(code)"
        case .signaled(let number): "was killed by signal \(number)\(Self.names[number].map { " (\($0))" } ?? "")"
        case .notStarted(let reason): reason
        }
    }

    /// What a signal that nobody here sent most likely means.
    public var hint: String? {
        self == .signaled(9) ? "signal 9 that nobody here sent often means that the machine ran out of memory" : nil
    }

    private static let names: [Int32: String] = [
        4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM",
    ]
}

extension Duration {
    /// `120 s`, `0.5 s`.
    public var inSeconds: String {
        let milliseconds = milliseconds
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(Double(milliseconds) / 1000) s"
    }
}
