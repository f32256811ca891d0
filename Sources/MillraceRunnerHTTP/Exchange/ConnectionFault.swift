import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// A request that had no answer, and why.
struct ConnectionFault: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        /// The server was never reached, so the request has not been seen.
        case refused
        /// The connection broke; the request may have been seen.
        case lost
    }
    var kind: Kind
    var reason: String

    init(_ error: any Error) {
        switch error {
        case let error as NIOConnectionError:
            kind = .refused
            reason = Self.reason(error)
        case let error as IOError:
            kind = Self.refusals.contains(error.errnoCode) ? .refused : .lost
            reason = Self.words(error.errnoCode)
        case let error as HTTPClientError:
            kind = [.connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout].contains(error) ? .refused : .lost
            reason = Self.reason(error)
        case let error as HTTPParserError:
            kind = .lost
            reason = error == .invalidEOFState ? "the connection was closed" : "the answer is not HTTP"
        default:
            kind = .lost
            reason = "\(error)"
        }
    }

    private static let refusals: Set<CInt> = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL]

    private static func reason(_ error: NIOConnectionError) -> String {
        if error.dnsAError != nil || error.dnsAAAAError != nil, error.connectionErrors.isEmpty { return "the name \(error.host) is not known" }
        guard let first = error.connectionErrors.first?.error else { return "no address" }
        return (first as? IOError).map { words($0.errnoCode) } ?? "\(first)"
    }

    private static func reason(_ error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout: "no connection in time"
        case .deadlineExceeded: "no answer in time"
        case .remoteConnectionClosed: "the connection was closed"
        default: error.shortDescription
        }
    }

    private static func words(_ code: CInt) -> String { String(cString: strerror(code)).lowercased() }
}
