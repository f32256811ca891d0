import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import MillraceCore
import NIOCore
import NIOPosix
import ServiceLifecycle

/// One listening address with its routes. It is ready when ``address()`` returns.
///
/// On a graceful shutdown it takes no more connections, lets requests end, and ends those that only wait.
public struct GatewayServer: Service, CustomStringConvertible {
    enum Binding: Sendable {
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    /// What connections may take. Workers of this machine come through the Unix socket, without limits on connections.
    struct Limits: Sendable {
        var idle: Duration
        var firstRequest: Duration?
        var connectionsMax: Int?
    }

    let binding: Binding
    let router: Router<GatewayContext>.Responder
    let limits: Limits
    let acceptance: Acceptance
    let tls: TLSIdentity?
    let logger: Logger
    private let bound = Latch<SocketAddress>()

    init(binding: Binding, router: Router<GatewayContext>, limits: Limits, acceptance: Acceptance, tls: TLSIdentity?, logger: Logger) {
        self.binding = binding
        self.router = router.buildResponder()
        self.limits = limits
        self.acceptance = acceptance
        self.tls = tls
        self.logger = logger
    }

    public var description: String {
        switch binding {
        case .tcp(let host, let port): "Gateway at \(host):\(port)"
        case .unix(let path): "Worker gateway at \(path)"
        }
    }

    /// Waits until the server listens, and says where.
    public func address() async throws -> SocketAddress {
        try await bound.value()
    }

    public func run() async throws {
        if case .unix(let path) = binding { try await WorkerSocket.prepare(path) }
        do {
            try await withGracefulShutdownHandler {
                try await application.run()
            } onGracefulShutdown: {
                acceptance.close()
            }
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw MillraceError(.invalidSettings, "\(self): the address is in use", hint: "another Millrace may be running")
        }
        if case .unix(let path) = binding { unlink(path) }
    }

    private var application: some ApplicationProtocol {
        let address: BindAddress =
            switch binding {
            case .tcp(let host, let port): .hostname(host, port: port)
            case .unix(let path): .unixDomainSocket(path: path)
            }
        let binding = binding
        let (bound, tls) = (bound, tls)
        let room = limits.connectionsMax.map(ConnectionRoom.init)
        let firstRequest = limits.firstRequest.map { TimeAmount($0) }
        let connection = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionHandler(room: room, firstRequestTimeout: firstRequest)], idleTimeout: .init(limits.idle),
            httpDecoderConfiguration: .init(maxHeaderFieldSize: 16 * 1024, maxHeaderListSize: 64 * 1024, maxHeaderFieldCount: 200))
        return Application(
            responder: router,
            server: HTTPServerBuilder { responder in
                let channel = LoopBoundChannel(base: HTTP1Channel(responder: responder, configuration: connection))
                guard let tls else { return channel }
                return TLSBoundChannel(base: channel, identity: tls)
            },
            configuration: .init(address: address),
            onServerRunning: { channel in
                if case .unix(let path) = binding { chmod(path, 0o600) }
                if let address = channel.localAddress { bound.open(address) }
            },
            logger: logger)
    }
}

/// The socket file through which workers of this machine come. Its permission is all that guards it.
enum WorkerSocket {
    /// Makes the folder, private to this user, when it is not there. Refuses one that others may write into, and refuses to take the place of a gateway that still listens.
    static func prepare(_ path: String) async throws {
        guard path.utf8.count <= 103 else {
            throw MillraceError(.invalidSettings, "the worker socket's path has more than 103 bytes: \(path)", hint: "choose a shorter data directory")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let attributes = try FileManager.default.attributesOfItem(atPath: folder)
        let owner = (attributes[.ownerAccountID] as? NSNumber)?.uint32Value
        guard let mode = (attributes[.posixPermissions] as? NSNumber)?.uint16Value, mode & 0o022 == 0, owner == geteuid() else {
            throw MillraceError(
                .invalidSettings, "others may write into the worker socket's folder, \(folder)",
                hint: "make it yours and chmod 700 it, or choose another data directory")
        }
        guard FileManager.default.fileExists(atPath: path) else { return }
        if try await isListening(path) {
            throw MillraceError(.invalidSettings, "a gateway listens at \(path) already", hint: "stop it first, or choose another data directory")
        }
        unlink(path)
    }

    private static func isListening(_ path: String) async throws -> Bool {
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(unixDomainSocketPath: path) { $0.eventLoop.makeSucceededFuture($0) }
            try? await channel.close()
            return true
        } catch {
            return false
        }
    }
}
