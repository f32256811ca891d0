/// A number as it was read. What is not a short whole number stays text, so that no digit is lost.
enum JSONNumber: Sendable {
    case integer(Int64)
    case text(String)

    /// A number without a fraction is an integer, however it is written.
    var value: JSONValue {
        switch self {
        case .integer(let value): return .integer(value)
        case .text(let text):
            if let integer = Int64(text) { return .integer(integer) }
            let number = Double(text) ?? .nan
            return Int64(exactly: number).map { .integer($0) } ?? .number(number)
        }
    }

    var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .text(let text): Double(text)
        }
    }

    func integer<Value: FixedWidthInteger>(as type: Value.Type = Value.self) -> Value? {
        switch self {
        case .integer(let value): return Value(exactly: value)
        case .text(let text): return Value(text) ?? Double(text).flatMap { Value(exactly: $0) }
        }
    }
}

extension JSONReader {
    public mutating func double() throws -> Double {
        guard let value = try scanNumber().double else { throw fault("a number is missing") }
        return value
    }

    public mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws -> Value {
        guard let value: Value = try scanNumber().integer() else { throw fault("a whole number in range is missing") }
        return value
    }

    mutating func scanNumber() throws -> JSONNumber {
        skipSpace()
        let start = position
        let isNegative = peek == UInt8(ascii: "-")
        if isNegative { position += 1 }
        let leading = peek
        let digits = takeDigits()
        guard digits > 0 else { throw fault("a value is missing or unknown") }
        guard digits == 1 || leading != UInt8(ascii: "0") else { throw fault("a number begins with 0") }
        let isWhole = try !takeFraction()
        // Eighteen digits fit whatever they are. Minus zero is no integer.
        if isWhole, digits <= 18, !(isNegative && leading == UInt8(ascii: "0")) {
            let magnitude = bytes[(position - digits)..<position].reduce(Int64(0)) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
            return .integer(isNegative ? -magnitude : magnitude)
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard Double(text)?.isFinite == true else { throw fault("the number \(text.prefix(40)) is out of range") }
        return .text(text)
    }

    /// Takes what follows a number's whole part; false when nothing does.
    private mutating func takeFraction() throws -> Bool {
        let start = position
        if peek == UInt8(ascii: ".") {
            position += 1
            guard takeDigits() > 0 else { throw fault("a number has no digits after its point") }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            guard takeDigits() > 0 else { throw fault("a number has no digits in its exponent") }
        }
        return position > start
    }

    private mutating func takeDigits() -> Int {
        let start = position
        while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        return position - start
    }
}
