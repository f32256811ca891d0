/// The text form of 128 bits: 32 lower-case hexadecimal digits in groups of 8, 4, 4, 4 and 12 (RFC 9562).
enum IdentifierText {
    static let count = 36

    private static func isHyphen(_ index: Int) -> Bool { index == 8 || index == 13 || index == 18 || index == 23 }

    /// Reads exactly this form, any case.
    static func read(_ text: UnsafeBufferPointer<UInt8>) -> (high: UInt64, low: UInt64)? {
        guard text.count == count else { return nil }
        var words: (high: UInt64, low: UInt64) = (0, 0)
        for index in 0..<count {
            if isHyphen(index) {
                guard text[index] == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = Hexadecimal.value(of: text[index]) else { return nil }
            // The second half begins behind the third hyphen.
            if index < 18 { words.high = words.high << 4 | UInt64(digit) } else { words.low = words.low << 4 | UInt64(digit) }
        }
        return words
    }

    static func write(_ high: UInt64, _ low: UInt64, to buffer: UnsafeMutableBufferPointer<UInt8>) {
        var (word, shift) = (high, UInt64(64))
        for index in 0..<count {
            if isHyphen(index) {
                buffer[index] = UInt8(ascii: "-")
                continue
            }
            if shift == 0 { (word, shift) = (low, 64) }
            shift -= 4
            buffer[index] = Hexadecimal.digit(UInt8(truncatingIfNeeded: word >> shift) & 15)
        }
    }
}
