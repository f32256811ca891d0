import Foundation
import MillraceCore
import NIOCore
import NIOPosix

/// The Unix socket of one handler, in a directory that only this user can enter.
struct HandlerSocket: Sendable {
    /// `sun_path` has 108 bytes, the last of which is 0.
    private static let pathBytesMax = 107

    let path: String
    private let directory: String
    private let server: any Channel

    static func listen(
        in temporaryDirectory: String, for life: NIOLoopBound<HandlerLife>, on loop: any EventLoop
    ) async throws -> HandlerSocket {
        let directory = try makeDirectory(in: temporaryDirectory)
        let path = directory + "/s"
        do {
            guard path.utf8.count <= pathBytesMax else {
                throw MillraceError(
                    .invalidSettings, "the path of a handler's socket is too long: \(path)",
                    hint: "choose a temporary directory with a shorter path")
            }
            let server = try await ServerBootstrap(group: loop)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([
                            ByteToMessageHandler(HandlerFrameDecoder()), HandlerConnection(life: life.value),
                        ])
                    }
                }
                .bind(unixDomainSocketPath: path).get()
            return HandlerSocket(path: path, directory: directory, server: server)
        } catch {
            remove(directory)
            throw error
        }
    }

    func close() async {
        try? await server.close()
        Self.remove(directory)
    }

    /// Mode 0700, with a name that nobody can foresee.
    private static func makeDirectory(in parent: String) throws -> String {
        var template = Array("\(parent)/millrace-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw MillraceError(
                .invalidSettings, "no directory can be made in \(parent): \(String(cString: strerror(errno)))",
                hint: "choose another temporary directory")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func remove(_ directory: String) {
        unlink(directory + "/s")
        rmdir(directory)
    }
}
