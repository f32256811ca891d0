// Strings and the names of members.
extension JSONReader {
    public mutating func string() throws -> String {
        guard nextByte == UInt8(ascii: "\"") else { throw fault("a string is missing") }
        switch try scanString() {
        case .plain(let range): return String(decoding: bytes[range], as: UTF8.self)
        case .unescaped(let text): return text
        }
    }

    /// The 128 bits of an identifier in its text form.
    public mutating func identifier() throws -> (high: UInt64, low: UInt64) {
        guard nextByte == UInt8(ascii: "\"") else { throw fault("an identifier is missing") }
        let words: (high: UInt64, low: UInt64)? =
            switch try scanString() {
            case .plain(let range): IdentifierText.read(UnsafeBufferPointer(rebasing: bytes[range]))
            case .unescaped(var text): text.withUTF8 { IdentifierText.read($0) }
            }
        guard let words else { throw fault("an identifier is missing") }
        return words
    }

    mutating func key() throws -> JSONKey {
        switch try scanString() {
        case .plain(let range): JSONKey(bytes: UnsafeBufferPointer(rebasing: bytes[range]), unescaped: nil)
        case .unescaped(let text): JSONKey(bytes: .init(start: nil, count: 0), unescaped: text)
        }
    }

    enum ScannedString {
        /// The content as it stands: it has no escapes, and is valid UTF-8.
        case plain(Range<Int>)
        case unescaped(String)
    }

    /// Reads a string whose first quote comes next.
    mutating func scanString() throws -> ScannedString {
        position += 1
        let start = position
        // Most strings have no escapes: they are taken in one piece.
        var seen: UInt8 = 0
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
            guard byte >= 0x20 else { throw fault("a control character in a string") }
            seen |= byte
            position += 1
        }
        guard peek == UInt8(ascii: "\"") else { return .unescaped(try unescapedString(from: start)) }
        let range = start..<position
        if seen >= 0x80, String(validating: bytes[range], as: UTF8.self) == nil { throw fault("a string is not UTF-8") }
        position += 1
        return .plain(range)
    }

    private mutating func unescapedString(from start: Int) throws -> String {
        var content = Array(bytes[start..<position])
        while let byte = peek, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw fault("a control character in a string") }
            position += 1
            if byte == UInt8(ascii: "\\") { try scanEscape(into: &content) } else { content.append(byte) }
        }
        guard peek == UInt8(ascii: "\"") else { throw fault("a string has no end") }
        position += 1
        guard let text = String(validating: content, as: UTF8.self) else { throw fault("a string is not UTF-8") }
        return text
    }

    private mutating func scanEscape(into content: inout [UInt8]) throws {
        guard let byte = peek else { throw fault("a string has no end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"): content.append(contentsOf: String(try scanScalar()).utf8)
        default: throw fault("an unknown escape in a string")
        }
    }

    /// A `\uXXXX`, or two that are a surrogate pair.
    private mutating func scanScalar() throws -> Character {
        let first = try scanHex()
        var code = UInt32(first)
        if (0xD800..<0xDC00).contains(first) {
            guard peek == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u") else {
                throw fault("half of a surrogate pair in a string")
            }
            position += 2
            let second = try scanHex()
            guard (0xDC00..<0xE000).contains(second) else { throw fault("half of a surrogate pair in a string") }
            code = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw fault("half of a surrogate pair in a string") }
        return Character(scalar)
    }

    private mutating func scanHex() throws -> UInt16 {
        guard position + 4 <= bytes.count, let text = String(validating: bytes[position..<position + 4], as: UTF8.self),
            let code = UInt16(text, radix: 16), !text.hasPrefix("+"), !text.hasPrefix("-")
        else { throw fault("an escape has not four hexadecimal digits") }
        position += 4
        return code
    }
}

/// The name of a member while it is read: compared as bytes, so that known names cost no string.
public struct JSONKey {
    let bytes: UnsafeBufferPointer<UInt8>
    let unescaped: String?

    public var text: String { unescaped ?? String(decoding: bytes, as: UTF8.self) }

    /// For `switch key { case "id": ... }`.
    public static func ~= (name: StaticString, key: JSONKey) -> Bool {
        let expected = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        if let unescaped = key.unescaped { return unescaped.utf8.elementsEqual(expected) }
        guard key.bytes.count == expected.count else { return false }
        for index in 0..<expected.count where key.bytes[index] != expected[index] { return false }
        return true
    }
}
