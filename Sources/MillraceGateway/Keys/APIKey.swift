import Crypto
import Foundation
import MillraceCore
import MillraceQueue

/// A key as its holder has it: `mr_<id>_<secret>` for a client, `mrw_<id>_<secret>` for a worker, both parts in base 32. The secret
/// has 256 random bits and is shown once.
public struct APIKey: Sendable, Equatable, LosslessStringConvertible {
    public let id: KeyID
    public let kind: KeyRecord.Kind
    let secret: [UInt8]

    public init(_ kind: KeyRecord.Kind = .client, in surroundings: Surroundings) {
        self.kind = kind
        id = surroundings.makeID()
        secret = (0..<4).flatMap { _ in withUnsafeBytes(of: surroundings.random().bigEndian) { Array($0) } }
    }

    /// `nil` when `text` has not the form of a key.
    public init?(_ text: String) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, let kind = Self.prefixes.first(where: { $0.value == parts[0] })?.key,
            let id = Base32.decode(parts[1]).flatMap({ KeyID(bytes: $0) }), let secret = Base32.decode(parts[2]), secret.count == 32
        else { return nil }
        self.id = id
        self.kind = kind
        self.secret = secret
    }

    private static let prefixes: [KeyRecord.Kind: String] = [.client: "mr", .worker: "mrw"]

    public var description: String { "\(Self.prefixes[kind] ?? "mr")_\(Base32.encode(id.bytes))_\(Base32.encode(secret))" }

    var secretHash: String { SHA256.hash(data: secret).hexadecimal }

    /// Compares hashes in a time that does not depend on where they differ.
    func hasSecret(hashed hash: String) -> Bool {
        guard let hash = [UInt8](hexadecimal: hash) else { return false }
        return SHA256.hash(data: secret) == hash
    }
}
