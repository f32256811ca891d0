/// Reads JSON (RFC 8259) from its first byte to its last, without a tree in between: whoever reads says what comes next.
///
/// Foundation's decoder finds out what a value of unknown type is by trying, and each failed try costs as much as the value
/// is deep: some kilobytes of brackets keep it busy for a minute. Here a value's kind is known from its first byte.
///
/// Every fault is thrown as a `DecodingError` that names the byte.
public struct JSONReader: ~Copyable {
    /// Deeper values are refused: no message of ours comes near it, and each level costs stack.
    static let depthMax = 128

    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0
    private var depth = 0

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// Reads one document; something after it is a fault.
    public static func read<Value>(_ document: some Sequence<UInt8>, _ body: (inout JSONReader) throws -> Value) throws -> Value {
        if let value = try document.withContiguousStorageIfAvailable({ try read($0, body) }) { return value }
        return try ContiguousArray(document).withUnsafeBufferPointer { try read($0, body) }
    }

    private static func read<Value>(_ bytes: UnsafeBufferPointer<UInt8>, _ body: (inout JSONReader) throws -> Value) throws -> Value {
        var reader = JSONReader(bytes: bytes)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { reader.position = 3 }
        let value = try body(&reader)
        reader.skipSpace()
        guard reader.position == bytes.count else { throw reader.fault("something follows the JSON value") }
        return value
    }

    // MARK: Values

    /// Reads an object: `body` is given each name in turn and must read its value. Of a name that comes twice the last counts.
    public mutating func object(_ body: (JSONKey, inout JSONReader) throws -> Void) throws {
        try open("{", "an object")
        if !take(UInt8(ascii: "}")) {
            repeat {
                skipSpace()
                guard peek == UInt8(ascii: "\"") else { throw fault("a name in double quotes is missing") }
                let key = try key()
                guard take(UInt8(ascii: ":")) else { throw fault("a colon is missing") }
                try body(key, &self)
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "}")) else { throw fault("a comma or } is missing") }
        }
        depth -= 1
    }

    /// Reads an array: `body` must read one value each time.
    public mutating func array(_ body: (inout JSONReader) throws -> Void) throws {
        try open("[", "an array")
        if !take(UInt8(ascii: "]")) {
            repeat { try body(&self) } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "]")) else { throw fault("a comma or ] is missing") }
        }
        depth -= 1
    }

    public mutating func bool() throws -> Bool {
        switch nextByte {
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        default: throw fault("true or false is missing")
        }
        return bytes[position - 2] == UInt8(ascii: "u")
    }

    /// Takes a null if one comes next.
    public mutating func null() throws -> Bool {
        guard nextByte == UInt8(ascii: "n") else { return false }
        try word("null")
        return true
    }

    /// Reads over a value of any kind. It is checked all the same.
    public mutating func skip() throws {
        switch nextByte {
        case UInt8(ascii: "{"): try object { try $1.skip() }
        case UInt8(ascii: "["): try array { try $0.skip() }
        case UInt8(ascii: "\""): _ = try scanString()
        case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
        case UInt8(ascii: "n"): _ = try null()
        case nil: throw fault("the JSON ends too early")
        default: _ = try scanNumber()
        }
    }

    /// A value of any kind as the text that it stands as.
    public mutating func rawText() throws -> String {
        skipSpace()
        let start = position
        try skip()
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    // MARK: Bytes

    /// The first byte of the next value.
    var nextByte: UInt8? {
        mutating get {
            skipSpace()
            return peek
        }
    }

    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipSpace() {
        while let byte = peek, byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    /// Takes a byte after white space, if it is this one.
    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private mutating func open(_ bracket: Unicode.Scalar, _ what: StaticString) throws {
        guard take(UInt8(ascii: bracket)) else { throw fault("\(what) is missing") }
        depth += 1
        guard depth <= Self.depthMax else { throw fault("the JSON is nested more than \(Self.depthMax) levels deep") }
    }

    private mutating func word(_ word: StaticString) throws {
        let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes[position...].prefix(expected.count).elementsEqual(expected) else { throw fault("an unknown word") }
        position += expected.count
    }

    public func fault(_ what: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: [], debugDescription: "\(what), at byte \(position)"))
    }
}
