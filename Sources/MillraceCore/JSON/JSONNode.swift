/// Parsed JSON (RFC 8259) before anybody has said which types it holds. Numbers stay text, so that no digit is lost.
///
/// Foundation's decoder finds out what a value of unknown type is by trying, and each failed try costs as much as the value
/// is deep: some kilobytes of brackets keep it busy for a minute. Here a value's kind is known from its first byte.
indirect enum JSONNode: Sendable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONNode])
    case object([String: JSONNode])

    /// - Throws: `DecodingError.dataCorrupted` with an empty coding path.
    init(parsing bytes: some Collection<UInt8>) throws {
        self = try ContiguousArray(bytes).withUnsafeBufferPointer { buffer in
            var parser = JSONParser(bytes: buffer)
            return try parser.parseDocument()
        }
    }

    var value: JSONValue {
        switch self {
        case .null: .null
        case .bool(let value): .bool(value)
        case .number(let text): Self.number(text)
        case .string(let value): .string(value)
        case .array(let values): .array(values.map(\.value))
        case .object(let members): .object(members.mapValues(\.value))
        }
    }

    /// A number without a fraction is an integer, however it is written.
    private static func number(_ text: String) -> JSONValue {
        if let integer = Int64(text) { return .integer(integer) }
        let number = Double(text) ?? .nan
        return Int64(exactly: number).map { .integer($0) } ?? .number(number)
    }
}

private struct JSONParser {
    /// Deeper values are refused: no message of ours comes near it, and each level costs stack.
    static let depthMax = 128

    let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var depth = 0

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func parseDocument() throws -> JSONNode {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        let node = try parseValue()
        skipSpace()
        guard position == bytes.count else { throw fault("something follows the JSON value") }
        return node
    }

    private mutating func parseValue() throws -> JSONNode {
        skipSpace()
        guard let byte = peek else { throw fault("the JSON ends too early") }
        switch byte {
        case UInt8(ascii: "{"): return try nested { try $0.parseObject() }
        case UInt8(ascii: "["): return try nested { try $0.parseArray() }
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: return try parseNumber()
        }
    }

    private mutating func nested(_ body: (inout JSONParser) throws -> JSONNode) throws -> JSONNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw fault("the JSON is nested more than \(Self.depthMax) levels deep") }
        position += 1
        return try body(&self)
    }

    private mutating func parseObject() throws -> JSONNode {
        var members: [String: JSONNode] = [:]
        guard !take(UInt8(ascii: "}")) else { return .object(members) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw fault("a name in double quotes is missing") }
            let name = try parseString()
            guard take(UInt8(ascii: ":")) else { throw fault("a colon is missing") }
            members[name] = try parseValue()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw fault("a comma or } is missing") }
        return .object(members)
    }

    private mutating func parseArray() throws -> JSONNode {
        var values: [JSONNode] = []
        guard !take(UInt8(ascii: "]")) else { return .array(values) }
        repeat { values.append(try parseValue()) } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw fault("a comma or ] is missing") }
        return .array(values)
    }

    private mutating func parseWord(_ word: StaticString, _ node: JSONNode) throws -> JSONNode {
        guard bytes[position...].prefix(word.utf8CodeUnitCount).elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        else { throw fault("an unknown word") }
        position += word.utf8CodeUnitCount
        return node
    }

    private mutating func parseNumber() throws -> JSONNode {
        let start = position
        if peek == UInt8(ascii: "-") { position += 1 }
        let leading = peek
        let digits = takeDigits()
        guard digits > 0 else { throw fault("a value is missing or unknown") }
        guard digits == 1 || leading != UInt8(ascii: "0") else { throw fault("a number begins with 0") }
        if peek == UInt8(ascii: ".") {
            position += 1
            guard takeDigits() > 0 else { throw fault("a number has no digits after its point") }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            guard takeDigits() > 0 else { throw fault("a number has no digits in its exponent") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard Double(text)?.isFinite == true else { throw fault("the number \(text.prefix(40)) is out of range") }
        return .number(text)
    }

    private mutating func takeDigits() -> Int {
        let start = position
        while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        return position - start
    }

    private mutating func parseString() throws -> String {
        position += 1
        let start = position
        // Most strings have no escapes: they are taken in one piece.
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
            guard byte >= 0x20 else { throw fault("a control character in a string") }
            position += 1
        }
        if peek == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[start..<position])
        }
        var content = Array(bytes[start..<position])
        while let byte = peek, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw fault("a control character in a string") }
            position += 1
            if byte == UInt8(ascii: "\\") { try parseEscape(into: &content) } else { content.append(byte) }
        }
        guard peek == UInt8(ascii: "\"") else { throw fault("a string has no end") }
        position += 1
        return try text(content[...])
    }

    private func text(_ bytes: some Collection<UInt8>) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw fault("a string is not UTF-8") }
        return text
    }

    private mutating func parseEscape(into content: inout [UInt8]) throws {
        guard let byte = peek else { throw fault("a string has no end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"): content.append(contentsOf: String(try parseScalar()).utf8)
        default: throw fault("an unknown escape in a string")
        }
    }

    /// A `\uXXXX`, or two that are a surrogate pair.
    private mutating func parseScalar() throws -> Character {
        let first = try parseHex()
        var code = UInt32(first)
        if (0xD800..<0xDC00).contains(first) {
            guard peek == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u") else {
                throw fault("half of a surrogate pair in a string")
            }
            position += 2
            let second = try parseHex()
            guard (0xDC00..<0xE000).contains(second) else { throw fault("half of a surrogate pair in a string") }
            code = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw fault("half of a surrogate pair in a string") }
        return Character(scalar)
    }

    private mutating func parseHex() throws -> UInt16 {
        guard position + 4 <= bytes.count, let text = String(validating: bytes[position..<position + 4], as: UTF8.self),
            let code = UInt16(text, radix: 16), !text.hasPrefix("+"), !text.hasPrefix("-")
        else { throw fault("an escape has not four hexadecimal digits") }
        position += 4
        return code
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    /// Takes a byte after white space, if it is this one.
    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private func fault(_ what: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: [], debugDescription: "\(what), at byte \(position)"))
    }
}
