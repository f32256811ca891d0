/// Follows JSON byte by byte, before anything recursive reads it: how many arrays and objects are open. Brackets inside of strings do
/// not count.
@frozen
public struct JSONNesting: Sendable {
    @usableFromInline var open = 0
    @usableFromInline var isInString = false
    @usableFromInline var isEscaped = false

    @inlinable
    public init() {}

    @inlinable
    public var depth: Int { open }

    /// Takes the next byte.
    /// - Returns: whether it closes an array or an object.
    @inlinable
    public mutating func take(_ byte: UInt8) -> Bool {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return false
        }
        switch byte {
        case UInt8(ascii: "\""): isInString = true
        case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
        case UInt8(ascii: "]"), UInt8(ascii: "}"):
            open -= 1
            return true
        default: break
        }
        return false
    }
}
