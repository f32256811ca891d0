import Logging
import MillraceCore
import NIOSSL
import ServiceLifecycle
import Synchronization

/// Where the certificate and the private key of a server are.
public struct TLSFiles: Sendable, Equatable {
    /// PEM: the server's certificate first, then those that lead to a root.
    public var certificate: String
    /// PEM, without a passphrase.
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// The certificate that a server shows, renewed when its files change. Connections that are open stay as they are.
public final class TLSIdentity: Service {
    /// How often the files are looked at.
    public static let interval: Duration = .seconds(5)

    private let files: TLSFiles
    private let surroundings: Surroundings
    private let logger: Logger
    private let state: Mutex<(context: NIOSSLContext, stamps: [FileStamp?])>

    /// - Throws: `invalid_settings` when the files cannot be read or do not belong together.
    public init(_ files: TLSFiles, surroundings: Surroundings, logger: Logger) throws {
        self.files = files
        self.surroundings = surroundings
        self.logger = logger
        let stamps = Self.stamps(of: files)
        state = Mutex((try Self.context(of: files), stamps))
    }

    /// What new connections get.
    var context: NIOSSLContext { state.withLock { $0.context } }

    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                try await self.surroundings.sleep(Self.interval)
                self.renew()
            }
        }
    }

    /// Reads the files again if they have changed. What cannot be used is told and changes nothing: perhaps only one of the two is
    /// there yet.
    func renew() {
        let stamps = Self.stamps(of: files)
        guard stamps != state.withLock({ $0.stamps }) else { return }
        do {
            let context = try Self.context(of: files)
            state.withLock { $0 = (context, stamps) }
            logger.info("the certificate is renewed", metadata: ["file": "\(files.certificate)"])
        } catch {
            state.withLock { $0.stamps = stamps }
            logger.error("the new certificate cannot be used; the old one stays", metadata: ["error": "\(error)"])
        }
    }

    private static func stamps(of files: TLSFiles) -> [FileStamp?] { [FileStamp(files.certificate), FileStamp(files.key)] }

    private static func context(of files: TLSFiles) throws -> NIOSSLContext {
        func fault(_ what: String, _ error: any Error) -> MillraceError {
            MillraceError(.invalidSettings, "\(what): \(error)", hint: "tls.certificate and tls.key name PEM files that belong together")
        }
        let certificates: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey
        do { certificates = try NIOSSLCertificate.fromPEMFile(files.certificate) } catch {
            throw fault("the certificate \(files.certificate) cannot be read", error)
        }
        do { key = try NIOSSLPrivateKey(file: files.key, format: .pem) } catch {
            throw fault("the private key \(files.key) cannot be read", error)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw fault("the certificate \(files.certificate) and the key \(files.key) cannot be used", error)
        }
    }
}
