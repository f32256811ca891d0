import MillraceCore
import NIOSSL

/// What keeps a machine from joining and does not pass by itself.
enum JoinRefusal {
    /// - Parameter hasJoined: whether the gateway has taken a report. Before it has, what fails is most likely mistyped.
    /// - Returns: `nil` for what may pass.
    static func reason(for error: any Error, at url: String, hasJoined: Bool) -> MillraceError? {
        if let error = error as? MillraceError, [.unauthorized, .forbidden, .invalidParameter].contains(error.code) { return error }
        guard !hasJoined else { return nil }
        if (error as? MillraceError)?.code == .notFound {
            return MillraceError(
                .invalidParameter, "there is no Millrace server at \(url)",
                hint: "give the address that the server itself has, without \"/v1\"; a proxy in front must pass /v1/worker")
        }
        guard isTLSFault(error) else { return nil }
        if "\(error)".contains("WRONG_VERSION_NUMBER") {
            return MillraceError(
                .invalidParameter, "what answers at \(url) does not speak TLS",
                hint: "set tls in the server's settings or put a proxy with TLS in front; http:// with --insecure where the network itself is safe")
        }
        return MillraceError(
            .invalidParameter, "the certificate shown at \(url) is not trusted: \(error)",
            hint: "--ca-file names the certificates to trust in place of the system's; the certificate must be for the host in the address")
    }

    /// Not a connection that broke while the two sides spoke of it.
    private static func isTLSFault(_ error: any Error) -> Bool {
        if error is NIOSSLExtraError { return true }
        guard case NIOSSLError.handshakeFailed(.sslError) = error else { return false }
        return ["WRONG_VERSION_NUMBER", "CERTIFICATE_VERIFY_FAILED"].contains { "\(error)".contains($0) }
    }
}
