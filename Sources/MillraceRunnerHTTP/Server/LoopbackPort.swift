import Foundation
import MillraceCore

/// Finds a port for a server that is about to be started.
enum LoopbackPort {
    /// A port of 127.0.0.1 that nobody listened on a moment ago. Should somebody take it before the server does, the server
    /// cannot start, and its next start gets another.
    static func free() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw failure() }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func failure() -> JobFailure {
        JobFailure(.modelUnavailable, "no port is free for the model server: \(String(cString: strerror(errno)))", retryable: true)
    }
}
