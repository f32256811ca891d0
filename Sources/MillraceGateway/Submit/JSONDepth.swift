import MillraceCore

/// How deep JSON is nested, told from its bytes before anything recursive reads it.
enum JSONDepth {
    static let limit = 64

    /// - Throws: `malformed_request` when arrays and objects are nested too deeply, or when the text is not UTF-8.
    static func check(_ bytes: some Sequence<UInt8>) throws {
        // A zero or a mark at the beginning is UTF-16 or UTF-32, which the decoder would read, and this would not.
        guard !bytes.prefix(4).contains(where: { $0 == 0 || $0 >= 0xFE }) else {
            throw MillraceError(.malformedRequest, "the JSON is not UTF-8")
        }
        guard !(bytes.withContiguousStorageIfAvailable { exceeds(limit, in: $0) } ?? exceeds(limit, in: bytes)) else {
            throw MillraceError(
                .malformedRequest, "the JSON is nested more than \(limit) levels deep", hint: "send deep structures as a file, or as a string")
        }
    }

    /// Whether more than `limit` arrays and objects are open at once.
    static func exceeds(_ limit: Int, in bytes: some Sequence<UInt8>) -> Bool {
        var nesting = JSONNesting()
        for byte in bytes where !nesting.take(byte) && nesting.depth > limit { return true }
        return false
    }
}
