/// A 128-bit identifier whose type says what it names: a ``JobID`` cannot be passed where a ``BlobID`` is meant.
///
/// The bits are a UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. Sorting identifiers
/// therefore sorts by creation time to the millisecond. The text form is the usual 36 lower-case characters.
public struct Identifier<Kind>: Hashable, Sendable, Comparable, LosslessStringConvertible {
    public let high: UInt64
    public let low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes a version 7 UUID from a time and 128 random bits (74 of them are used).
    public init(at time: Timestamp, random: (UInt64, UInt64)) {
        let milliseconds = UInt64(bitPattern: time.milliseconds) & 0xFFFF_FFFF_FFFF
        self.high = milliseconds << 16 | 0x7000 | random.0 & 0x0FFF
        self.low = 0x8000_0000_0000_0000 | random.1 >> 2
    }

    /// Reads the 36-character form, any case; `nil` when `text` is anything else.
    public init?(_ text: String) {
        var text = text
        guard let (high, low) = text.withUTF8({ IdentifierText.read($0) }) else { return nil }
        self.init(high: high, low: low)
    }

    /// The identifier as 16 bytes, most significant first.
    public var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
    }

    /// Reads 16 bytes, most significant first; `nil` when there are more or fewer.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(
            high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    public var description: String {
        String(unsafeUninitializedCapacity: IdentifierText.count) {
            IdentifierText.write(high, low, to: $0)
            return IdentifierText.count
        }
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension Identifier: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let identifier = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not an identifier")
        }
        self = identifier
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

public enum JobKind {}
public enum BlobKind {}
public enum WorkerKind {}
public enum LeaseKind {}
public enum DeliveryKind {}
public enum KeyKind {}

public typealias JobID = Identifier<JobKind>
public typealias BlobID = Identifier<BlobKind>
public typealias WorkerID = Identifier<WorkerKind>
/// The fence of one attempt: every write about a running job carries it, and a stale one changes nothing.
public typealias LeaseToken = Identifier<LeaseKind>
public typealias DeliveryID = Identifier<DeliveryKind>
public typealias KeyID = Identifier<KeyKind>
