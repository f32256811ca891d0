import AsyncHTTPClient
import Foundation
import MillraceCore
import NIOCore
import NIOPosix
import NIOSSL

/// Where a joined machine's gateway is, and whom to believe that it is it.
public struct GatewayLocation: Sendable, Equatable {
    public let url: String
    /// A PEM file with the certificates that are trusted in place of the system's.
    public let caFile: String?
    /// Whether keys and data may travel unencrypted.
    public let isInsecure: Bool

    /// - Throws: `invalid_parameter` for what is no address, and for one that would send the key unencrypted through a network.
    public init(_ text: String, caFile: String? = nil, insecure: Bool = false) throws {
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), ["https", "http"].contains(scheme), let host = url.host, !host.isEmpty,
            url.query == nil, url.fragment == nil, url.user == nil, url.password == nil
        else {
            // What stands in front of an @ may be a password.
            let shown = text.lastIndex(of: "@").map { "...\(text[$0...])" } ?? text
            throw MillraceError(.invalidParameter, "\"\(shown)\" is no address of a server", hint: "https://millrace.example.com")
        }
        if scheme == "http", !insecure, !Self.isLoopback(host) {
            throw MillraceError(
                .invalidParameter, "\(text) is not encrypted: the worker key, inputs and results could be read on the way",
                hint: "use https:// (the server's tls settings, or a proxy in front of it), or say --insecure where the network itself is safe")
        }
        if let caFile {
            let hint = "--ca-file names a PEM file of certificates to trust"
            guard FileManager.default.isReadableFile(atPath: caFile) else {
                throw MillraceError(.invalidParameter, "the file \(caFile) cannot be read", hint: hint)
            }
            guard let certificates = try? NIOSSLCertificate.fromPEMFile(caFile), !certificates.isEmpty else {
                throw MillraceError(.invalidParameter, "the file \(caFile) holds no certificate", hint: hint)
            }
        }
        self.url = text.hasSuffix("/") ? String(text.dropLast()) : text
        self.caFile = caFile
        isInsecure = insecure
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]" || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
    }

    func makeClient() throws -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        // A key must not follow whoever points elsewhere.
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        // Whoever asks decides how long to repeat it, and says why it fails.
        configuration.connectionPool.retryConnectionEstablishment = false
        // Longer than any poll is held.
        configuration.timeout = .init(connect: .seconds(10), read: .seconds(60), write: .seconds(60))
        if let caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(caFile)
            configuration.tlsConfiguration = tls
        }
        return HTTPClient(eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton.next()), configuration: configuration)
    }
}
