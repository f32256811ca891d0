import Foundation
import MillraceCore

/// How webhooks are signed and where they may go.
public struct WebhookSettings: Sendable {
    /// The first signs, and the others too, so that a receiver may change over from an old one.
    public var secrets: [WebhookSecret]
    /// Hosts that may be called although they are private: `hooks.internal`, `*.example.com`, `10.0.0.5`, `localhost`.
    public var allowedHosts: [String] = []
    /// How long a receiver may take for its whole answer.
    public var timeout: Duration = .seconds(15)
    /// Deliveries under way at once.
    public var concurrencyMax = 64
    /// Deliveries under way at once to one host, so that a slow one does not hold up the others.
    public var concurrencyPerHostMax = 8

    /// - Parameter secrets: at least one.
    public init(secrets: [WebhookSecret], allowedHosts: [String] = []) {
        precondition(!secrets.isEmpty, "webhooks are signed")
        self.secrets = secrets
        self.allowedHosts = allowedHosts
    }
}

/// The symmetric key of Standard Webhooks: `whsec_` and 24 to 64 bytes in base 64.
public struct WebhookSecret: Sendable, Equatable {
    let bytes: [UInt8]

    /// - Throws: `invalid_settings`, without the secret in it.
    public init(_ text: String) throws {
        guard text.hasPrefix("whsec_"), let data = Data(base64Encoded: String(text.dropFirst(6))), (24...64).contains(data.count) else {
            throw MillraceError(.invalidSettings, "a webhook secret is whsec_ and 24 to 64 bytes in base 64")
        }
        bytes = Array(data)
    }

    /// A new one with 256 random bits.
    public init(in surroundings: Surroundings) {
        bytes = (0..<4).flatMap { _ in withUnsafeBytes(of: surroundings.random().bigEndian) { Array($0) } }
    }

    /// The text form. Not `description`, so that no log line has it by accident.
    public var text: String { "whsec_" + Data(bytes).base64EncodedString() }
}
