import Crypto
import Foundation
import MillraceCore

/// An API key as its holder has it: `mr_<id>_<secret>`, both in base 32. The secret has 256 random bits and is shown once.
public struct APIKey: Sendable, Equatable, LosslessStringConvertible {
    public let id: KeyID
    let secret: [UInt8]

    public init(in surroundings: Surroundings) {
        id = surroundings.makeID()
        secret = (0..<4).flatMap { _ in withUnsafeBytes(of: surroundings.random().bigEndian) { Array($0) } }
    }

    /// `nil` when `text` has not the form of a key.
    public init?(_ text: String) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "mr", let id = Base32.decode(parts[1]).flatMap({ KeyID(bytes: $0) }),
            let secret = Base32.decode(parts[2]), secret.count == 32
        else { return nil }
        self.id = id
        self.secret = secret
    }

    public var description: String { "mr_\(Base32.encode(id.bytes))_\(Base32.encode(secret))" }

    var secretHash: String { SHA256.hash(data: secret).hexadecimal }
}

extension Sequence<UInt8> {
    /// Lower-case hexadecimal.
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

enum ConstantTime {
    /// Compares without telling by its time where two texts of the same length differ.
    static func equal(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 } == 0
    }
}
