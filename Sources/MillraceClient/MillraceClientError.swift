import MillraceWire

/// What goes wrong between a client and its server. What the server itself refuses is thrown as ``ProblemDetails``.
public enum MillraceClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nobody answers there.
    case unreachable(server: String, reason: String)
    /// The connection broke, also when tried again; what was asked may have been done.
    case connectionLost(server: String, reason: String)
    /// The address is not one of an HTTP server.
    case invalidServer(String)
    /// Somebody answers who does not speak the API of Millrace.
    case unexpectedAnswer(server: String, status: Int, excerpt: String)
    /// A local file cannot be read or written.
    case file(path: String, reason: String)

    public var description: String {
        switch self {
        case .unreachable(let server, let reason):
            "cannot reach Millrace at \(server) (\(reason)); is it running? start it with `millrace serve`"
        case .connectionLost(let server, let reason): "the connection to Millrace at \(server) was lost: \(reason)"
        case .invalidServer(let text): "\"\(text)\" is not the address of a server; it looks like http://127.0.0.1:8080"
        case .unexpectedAnswer(let server, let status, let excerpt):
            "\(server) answered with status \(status) and not as Millrace does" + (excerpt.isEmpty ? "" : ": \(excerpt)")
        case .file(let path, let reason): "\(path): \(reason)"
        }
    }
}
