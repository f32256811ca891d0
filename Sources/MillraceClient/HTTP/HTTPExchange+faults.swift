import AsyncHTTPClient
import Foundation
import MillraceWire
import NIOCore
import NIOHTTP1
import NIOPosix

extension HTTPExchange {
    /// What became of a request, in the words of this package; its own errors pass unchanged.
    func fault(_ error: any Error) -> any Error {
        switch error {
        case is ProblemDetails, is MillraceClientError, is CancellationError: error
        case let error as HTTPClientError: fault(error)
        case let error as NIOConnectionError:
            MillraceClientError.unreachable(server: server, reason: Self.reason(error))
        case let error as IOError where Self.refusals.contains(error.errnoCode):
            MillraceClientError.unreachable(server: server, reason: Self.words(error.errnoCode))
        case let error as IOError: MillraceClientError.connectionLost(server: server, reason: Self.words(error.errnoCode))
        case let error as HTTPParserError where error != .invalidEOFState:
            MillraceClientError.unreachable(server: server, reason: "it does not speak HTTP")
        case is ChannelError, is HTTPParserError: MillraceClientError.connectionLost(server: server, reason: "it was cut off")
        default: error
        }
    }

    private func fault(_ error: HTTPClientError) -> any Error {
        switch error {
        case .cancelled: CancellationError()
        case .invalidURL, .emptyHost, .emptyScheme, .missingSocketPath: MillraceClientError.invalidServer(server)
        case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
            MillraceClientError.unreachable(server: server, reason: "no answer in time")
        case .bodyLengthMismatch: MillraceClientError.file(path: "an input", reason: "it changed while it was sent")
        case .remoteConnectionClosed: MillraceClientError.connectionLost(server: server, reason: "it was closed by the server")
        case .readTimeout: MillraceClientError.connectionLost(server: server, reason: "the server was silent for too long")
        default:
            error.shortDescription.hasPrefix("Unsupported scheme")
                ? MillraceClientError.invalidServer(server)
                : MillraceClientError.connectionLost(server: server, reason: "\(error)")
        }
    }

    private static let refusals: Set<CInt> = [ECONNREFUSED, ENOENT, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EACCES]

    private static func reason(_ error: NIOConnectionError) -> String {
        if error.dnsAError != nil || error.dnsAAAAError != nil, error.connectionErrors.isEmpty { return "the name \(error.host) is not known" }
        guard let first = error.connectionErrors.first?.error else { return "no address" }
        return (first as? IOError).map { words($0.errnoCode) } ?? (first is ChannelError ? "no answer in time" : "\(first)")
    }

    private static func words(_ code: CInt) -> String {
        String(cString: strerror(code)).lowercased()
    }
}
