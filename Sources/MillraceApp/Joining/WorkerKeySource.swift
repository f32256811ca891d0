import Foundation
import MillraceCore
import MillraceGateway
import MillraceQueue

/// Where a joined machine has its worker key from.
public enum WorkerKeySource: Sendable, Equatable {
    case text(String)
    /// Read each time that it is needed, so that a new key can be put there.
    case file(String)

    /// - Throws: `invalid_parameter` when nothing says a key.
    public init(key: String?, keyFile: String?, environment: [String: String]) throws {
        if let keyFile {
            self = .file(keyFile)
        } else if let key = key ?? environment["MILLRACE_WORKER_KEY"] {
            self = .text(key)
        } else {
            throw MillraceError(
                .invalidParameter, "a worker key is needed",
                hint: "make one on the server with \"millrace keys create --worker --name NAME\", and name the file that holds it with --key-file")
        }
    }

    /// - Throws: `invalid_parameter` for what is no worker's key.
    func read() throws -> String {
        let text: String
        switch self {
        case .text(let key): text = key
        case .file(let path):
            guard let content = FileManager.default.contents(atPath: path) else {
                throw MillraceError(.invalidParameter, "the key file \(path) cannot be read", hint: "it holds one worker key, mrw_...")
            }
            text = String(decoding: content.prefix(4096), as: UTF8.self)
        }
        let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard APIKey(key)?.kind == .worker else {
            throw MillraceError(.invalidParameter, "this is no worker key", hint: "it looks like mrw_..., and is made with \"millrace keys create --worker\"")
        }
        return key
    }
}
