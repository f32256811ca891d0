import MillraceGateway
import ServiceLifecycle

/// What a person who started the server wants to know.
public struct Announcement: Sendable, Equatable {
    public var address: String
    public var keyFile: String?
    /// Made on this start; shown this once.
    public var newKey: String?
    public var endpoints: [String]

    /// Several lines, ready to print.
    public var text: String {
        var lines = ["Millrace \(MillraceVersion.current) listens at \(address)"]
        lines.append(endpoints.isEmpty ? "  no endpoints: write a millrace.yaml, or name one with --config" : "  endpoints: \(endpoints.joined(separator: ", "))")
        if let newKey { lines.append("  API key:   \(newKey)") }
        if let keyFile { lines.append("  key file:  \(keyFile)") }
        if let endpoint = endpoints.first {
            lines.append("  try:       curl -H \"Authorization: Bearer $(cat \(keyFile ?? "KEYFILE"))\" \(address)/v1/endpoints/\(endpoint)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Waits until clients can connect, and says so.
struct Announcer: Service {
    let gateway: Gateway
    let settings: Settings
    let data: DataDirectory
    let firstKey: String?
    let announce: @Sendable (Announcement) -> Void

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            let port = try await gateway.port()
            let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
            announce(
                Announcement(
                    address: "\(settings.tls == nil ? "http" : "https")://\(host):\(port)", keyFile: settings.authentication == .required ? data.keyFile : nil,
                    newKey: firstKey, endpoints: settings.endpoints.map(\.name).sorted()))
        }
        try? await gracefulShutdown()
    }
}
