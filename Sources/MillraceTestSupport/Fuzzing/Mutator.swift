/// Changes samples as damage, cut transfers and people with bad intentions do. The same seed gives the same bytes.
public struct Mutator: Sendable {
    private var random: SplitMix64
    private let samples: [[UInt8]]
    private let tokens: [[UInt8]]

    /// Longer inputs are cut: most faults show in short ones, and short ones are quick.
    private static let bytesMax = 1 << 18
    /// Numbers at which sizes, signs and bounds go wrong.
    private static let oddNumbers: [Int64] = [
        0, 1, 2, 7, 8, 16, 32, 64, 100, 127, 128, 255, 256, 1000, 4096, 32_767, 32_768, 65_535, 65_536, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
        .max, .min, -1, -2,
    ]

    /// - Parameters:
    ///   - samples: sound inputs, at least one.
    ///   - tokens: words that mean something to the reader.
    public init(seed: UInt64, samples: [[UInt8]], tokens: [[UInt8]] = []) {
        precondition(!samples.isEmpty, "there must be something to change")
        random = SplitMix64(seed: seed)
        self.samples = samples
        self.tokens = tokens
    }

    /// A sample with one change, or a few, or many.
    public mutating func next() -> [UInt8] {
        var bytes = samples[index(samples.count)]
        let changes = [1, 1, 2, 3, 5, 10, 30][index(7)]
        for _ in 0..<changes { change(&bytes) }
        if bytes.count > Self.bytesMax { bytes.removeSubrange(Self.bytesMax...) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return bytes = samples[index(samples.count)] }
        switch index(12) {
        case 0, 1: bytes[index(bytes.count)] ^= 1 << UInt8(index(8))
        case 2: bytes[index(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
        case 3: bytes.removeSubrange(index(bytes.count)...)
        case 4: bytes.removeSubrange(range(in: bytes))
        case 5: bytes.insert(contentsOf: Array(bytes[range(in: bytes)]), at: index(bytes.count + 1))
        case 6: splice(&bytes)
        case 7, 8: writeNumber(&bytes)
        case 9: replaceDigits(&bytes)
        case 10: bytes.replaceSubrange(range(in: bytes), with: repeatElement(UInt8(truncatingIfNeeded: random.next()), count: index(64)))
        default: insertToken(&bytes)
        }
    }

    /// The beginning of this one, the end of another.
    private mutating func splice(_ bytes: inout [UInt8]) {
        let other = samples[index(samples.count)]
        guard !other.isEmpty else { return }
        bytes.replaceSubrange(index(bytes.count)..., with: other[index(other.count)...])
    }

    /// An odd number, or nearly the length, over bytes that may be a length, a size or an offset; in either byte order.
    private mutating func writeNumber(_ bytes: inout [UInt8]) {
        let number = index(4) == 0 ? Int64(bytes.count + index(5) - 2) : Self.oddNumbers[index(Self.oddNumbers.count)]
        let width = min([1, 2, 4, 8][index(4)], bytes.count)
        let start = index(bytes.count - width + 1)
        let isBig = index(2) == 0
        for place in 0..<width {
            bytes[start + place] = UInt8(truncatingIfNeeded: number >> (8 * Int64(isBig ? width - 1 - place : place)))
        }
    }

    /// An odd number in digits, in place of one that is there.
    private mutating func replaceDigits(_ bytes: inout [UInt8]) {
        let from = index(bytes.count)
        guard let start = bytes[from...].firstIndex(where: Self.isDigit) else { return }
        let end = bytes[start...].firstIndex { !Self.isDigit($0) } ?? bytes.endIndex
        bytes.replaceSubrange(start..<end, with: String(Self.oddNumbers[index(Self.oddNumbers.count)]).utf8)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private mutating func insertToken(_ bytes: inout [UInt8]) {
        guard !tokens.isEmpty else { return }
        bytes.insert(contentsOf: tokens[index(tokens.count)], at: index(bytes.count + 1))
    }

    /// Short, most of the time.
    private mutating func range(in bytes: [UInt8]) -> Range<Int> {
        let start = index(bytes.count)
        let longest = bytes.count - start
        return start..<start + 1 + index(index(8) == 0 ? longest : min(longest, 32))
    }

    private mutating func index(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
}
