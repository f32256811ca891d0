/// Writes JSON as bytes, in the form of ``MillraceJSON``: whoever writes an object gives its names in sorted order.
///
/// Commas come by themselves. A number that JSON has no form for (not finite) makes ``isValid`` false.
public struct JSONWriter {
    public private(set) var bytes: [UInt8] = []
    public internal(set) var isValid = true

    public init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

    // MARK: Objects and arrays

    public mutating func object(_ members: (inout JSONWriter) -> Void) {
        bytes.append(UInt8(ascii: "{"))
        members(&self)
        bytes.append(UInt8(ascii: "}"))
    }

    /// The name of a member, whose value must be written next. The name has nothing to escape.
    public mutating func key(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    public mutating func key(_ name: String) {
        separate()
        string(name)
        bytes.append(UInt8(ascii: ":"))
    }

    @inlinable
    public mutating func array<Values: Sequence>(_ values: Values, _ write: (Values.Element, inout JSONWriter) -> Void) {
        literal("[")
        for value in values {
            separate()
            write(value, &self)
        }
        literal("]")
    }

    /// No value ends with an opening bracket, so the last byte says whether something stands before.
    @usableFromInline
    mutating func separate() {
        if let last = bytes.last, last != UInt8(ascii: "{"), last != UInt8(ascii: "["), last != UInt8(ascii: ":") {
            bytes.append(UInt8(ascii: ","))
        }
    }

    // MARK: Values

    public mutating func null() { literal("null") }
    public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

    public mutating func integer(_ value: some FixedWidthInteger) {
        if value >= 0, value < 10 { bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value)) } else { raw(String(value)) }
    }

    /// As Foundation writes it: the shortest digits that read back the same, without `.0`.
    public mutating func number(_ value: Double) {
        guard value.isFinite else {
            isValid = false
            return null()
        }
        let text = value.description
        raw(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
    }

    /// Text that is JSON already.
    public mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    public mutating func literal(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { append(escaping: $0) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// The text form of an identifier, as a string.
    public mutating func identifier(_ high: UInt64, _ low: UInt64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: IdentifierText.count + 2) { buffer in
            buffer[0] = UInt8(ascii: "\"")
            IdentifierText.write(high, low, to: UnsafeMutableBufferPointer(rebasing: buffer[1...]))
            buffer[IdentifierText.count + 1] = UInt8(ascii: "\"")
            bytes.append(contentsOf: UnsafeBufferPointer(buffer))
        }
    }

    private mutating func append(escaping text: UnsafeBufferPointer<UInt8>) {
        var start = 0
        for index in 0..<text.count {
            let byte = text[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            bytes.append(contentsOf: text[start..<index])
            escape(byte)
            start = index + 1
        }
        bytes.append(contentsOf: text[start...])
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): literal("\\\"")
        case UInt8(ascii: "\\"): literal("\\\\")
        case 0x08: literal("\\b")
        case 0x09: literal("\\t")
        case 0x0A: literal("\\n")
        case 0x0C: literal("\\f")
        case 0x0D: literal("\\r")
        default:
            literal(byte < 0x10 ? "\\u000" : "\\u001")
            bytes.append(Hexadecimal.digit(byte & 15))
        }
    }
}
