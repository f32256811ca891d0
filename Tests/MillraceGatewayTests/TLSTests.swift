import AsyncHTTPClient
import Foundation
import Logging
import MillraceCore
import MillraceTestSupport
import NIOCore
import NIOHTTP1
import NIOSSL
import Testing

@testable import MillraceGateway

@Suite("TLS")
struct TLSTests {
    private func files(in folder: TemporaryDirectory) -> TLSFiles {
        TLSFiles(certificate: folder.file("server.pem"), key: folder.file("server.key"))
    }

    /// The status of `/healthz`, asked by somebody who trusts this certificate alone.
    private func status(_ gateway: Harness, trusting trusted: TestCertificate, client: HTTPClient? = nil) async throws -> Int {
        let own = try client ?? self.client(trusting: trusted)
        let result: Result<Int, any Error>
        do {
            result = .success(Int(try await own.execute(HTTPClientRequest(url: gateway.address + "/healthz"), timeout: .seconds(20)).status.code))
        } catch {
            result = .failure(error)
        }
        if client == nil { try await own.shutdown() }
        return try result.get()
    }

    private func client(trusting trusted: TestCertificate) throws -> HTTPClient {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(trusted.certificate.utf8)))
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(configuration: configuration)
    }

    @Test("A new certificate is shown to new connections, and an old connection goes on")
    func renewal() async throws {
        let folder = try TemporaryDirectory("mr-tls")
        let files = files(in: folder)
        try TestCertificate.one.write(to: files)
        try await withGateway { $0.tls = files } _: { gateway in
            let early = try client(trusting: .one)
            #expect(try await status(gateway, trusting: .one, client: early) == 200)
            await #expect(throws: (any Error).self) { try await status(gateway, trusting: .two) }
            try TestCertificate.two.write(to: files)
            try #require(gateway.gateway.tls).renew()
            #expect(try await status(gateway, trusting: .two) == 200)
            #expect(try await status(gateway, trusting: .one, client: early) == 200, "on the connection that was open")
            await #expect(throws: (any Error).self) { try await status(gateway, trusting: .one) }
            try await early.shutdown()
        }
        withExtendedLifetime(folder) {}
    }

    @Test("A certificate that cannot be used changes nothing, and keeps a server from starting")
    func damaged() async throws {
        let folder = try TemporaryDirectory("mr-tls")
        let files = files(in: folder)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        #expect(throws: MillraceError.self) { try TLSIdentity(files, surroundings: .system, logger: logger) }
        try TestCertificate.one.write(to: files)
        let identity = try TLSIdentity(files, surroundings: .system, logger: logger)
        let context = identity.context
        // Only one of the two is there yet.
        try TestCertificate.two.certificate.write(toFile: files.certificate, atomically: true, encoding: .utf8)
        identity.renew()
        #expect(identity.context === context)
        #expect(throws: MillraceError.self) { try TLSIdentity(files, surroundings: .system, logger: logger) }
        try TestCertificate.two.write(to: files)
        identity.renew()
        #expect(identity.context !== context)
        let known = identity.context
        identity.renew()
        #expect(identity.context === known, "files that did not change are not read again")
    }
}
