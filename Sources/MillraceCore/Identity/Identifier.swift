/// A 128-bit identifier whose type says what it names: a ``JobID`` cannot be passed where a ``BlobID`` is meant.
///
/// The bits are a UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. Sorting identifiers
/// therefore sorts by creation time to the millisecond. The text form is the usual 36 lower-case characters.
public struct Identifier<Kind>: Hashable, Sendable, Comparable, LosslessStringConvertible {
    public let high: UInt64
    public let low: UInt64

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
        let bytes = Array(text.utf8)
        guard bytes.count == 36 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for (index, byte) in bytes.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = Self.value(ofHex: byte) else { return nil }
            if digits < 16 { words.0 = words.0 << 4 | digit } else { words.1 = words.1 << 4 | digit }
            digits += 1
        }
        self.init(high: words.0, low: words.1)
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
        let hex = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for (index, byte) in bytes.enumerated() {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                buffer[position] = hex[Int(byte >> 4)]
                buffer[position + 1] = hex[Int(byte & 15)]
                position += 2
            }
            return 36
        }
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    private static func value(ofHex byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
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
