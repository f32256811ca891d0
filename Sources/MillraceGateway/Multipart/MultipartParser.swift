import Foundation
import MillraceCore

/// Takes a `multipart/form-data` body apart, chunk by chunk (RFC 2046, 5.1; RFC 7578).
///
/// A value that reads nothing itself: ``append(_:)`` gives it bytes as they come, ``next()`` says what they mean. It keeps
/// no more than the last chunk, a delimiter's length and one part's headers.
struct MultipartParser: Sendable {
    enum Action: Equatable {
        case beginPart(PartHeader)
        case bytes([UInt8])
        case endPart
        /// The last boundary has come; what follows means nothing.
        case end
        case needsBytes
    }

    struct Limits: Sendable {
        var headerBytesMax = 16 * 1024
        var partsMax = 256
        var preambleBytesMax = 16 * 1024
    }

    private enum State { case preamble(skipped: Int), delimiter, headers, body, ended }

    private let delimiter: [UInt8]
    private let limits: Limits
    private var buffer: [UInt8]
    private var start = 0
    private var state = State.preamble(skipped: 0)
    private var parts = 0

    /// - Parameter boundary: 1 to 70 characters, as the `Content-Type` says.
    init(boundary: String, limits: Limits = Limits()) throws {
        guard (1...70).contains(boundary.utf8.count), boundary.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
            throw MillraceError(.malformedRequest, "the boundary of a multipart body has 1 to 70 characters")
        }
        delimiter = Array("\r\n--\(boundary)".utf8)
        self.limits = limits
        // The first boundary may stand at the very beginning, without the line break that is before the others.
        buffer = [0x0D, 0x0A]
    }

    mutating func append(_ chunk: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        buffer.append(contentsOf: chunk)
    }

    /// Says that no more bytes come.
    /// - Throws: `malformed_request` when the last boundary has not come.
    func finish() throws {
        guard case .ended = state else {
            throw Self.malformed(
                "the multipart body ends before its last boundary", hint: "the upload was cut, or the boundary in Content-Type is another one")
        }
    }

    mutating func next() throws -> Action {
        while true {
            switch state {
            case .preamble(let skipped): guard try passPreamble(skipped) else { return .needsBytes }
            case .delimiter: guard try passDelimiter() else { return .needsBytes }
            case .headers: return try readHeaders()
            case .body: return readBody()
            case .ended: return .end
            }
        }
    }

    /// Drops what is before the first boundary. Returns false when more bytes are needed.
    private mutating func passPreamble(_ skipped: Int) throws -> Bool {
        if let found = find(delimiter) {
            start = found + delimiter.count
            state = .delimiter
            return true
        }
        let keep = min(buffer.count - start, delimiter.count - 1)
        let skipped = skipped + (buffer.count - start - keep)
        guard skipped <= limits.preambleBytesMax else { throw Self.malformed("the body does not begin with its boundary") }
        start = buffer.count - keep
        state = .preamble(skipped: skipped)
        return false
    }

    /// After a boundary: two dashes end the body, else blanks and a line break begin a part.
    private mutating func passDelimiter() throws -> Bool {
        let rest = buffer[start...]
        if rest.starts(with: "--".utf8) {
            state = .ended
            return true
        }
        let blanks = rest.prefix { $0 == 0x20 || $0 == 0x09 }.count
        guard rest.count >= blanks + 2 else {
            guard rest.count <= 256 else { throw Self.malformed("a boundary is followed by too many blanks") }
            return false
        }
        guard rest.dropFirst(blanks).starts(with: [0x0D, 0x0A]) else {
            throw Self.malformed("a boundary of the multipart body is not followed by a line break")
        }
        parts += 1
        guard parts <= limits.partsMax else {
            throw MillraceError(.tooManyFiles, "the form has more than \(limits.partsMax) parts")
        }
        // The line break stays: so the empty line that ends the headers is found when there are none.
        start += blanks
        state = .headers
        return true
    }

    private mutating func readHeaders() throws -> Action {
        guard let end = find([0x0D, 0x0A, 0x0D, 0x0A]) else {
            guard buffer.count - start <= limits.headerBytesMax else {
                throw Self.malformed("the headers of a part are larger than \(limits.headerBytesMax) bytes")
            }
            return .needsBytes
        }
        guard end - start <= limits.headerBytesMax else {
            throw Self.malformed("the headers of a part are larger than \(limits.headerBytesMax) bytes")
        }
        let header = try PartHeader(buffer[start..<end])
        // An empty body is followed by its boundary at once, whose line break is the empty line's.
        start = end + 2
        bodyHasBegun = false
        state = .body
        return .beginPart(header)
    }

    /// Whether the line break that ends the headers is behind us.
    private var bodyHasBegun = false

    private mutating func readBody() -> Action {
        if !bodyHasBegun {
            // "\r\n" ends the headers; when the boundary follows, it is the boundary's own.
            guard buffer.count - start >= delimiter.count else { return beginShortBody() }
            if !buffer[start...].starts(with: delimiter) { start += 2 }
            bodyHasBegun = true
        }
        if let found = find(delimiter) {
            if found > start { return take(upTo: found) }
            start += delimiter.count
            state = .delimiter
            return .endPart
        }
        let safe = buffer.count - (delimiter.count - 1)
        return safe > start ? take(upTo: safe) : .needsBytes
    }

    /// Not enough bytes to tell whether the boundary follows at once.
    private mutating func beginShortBody() -> Action {
        let rest = buffer[start...]
        guard !delimiter.starts(with: rest) else { return .needsBytes }
        start += 2
        bodyHasBegun = true
        return readBody()
    }

    private mutating func take(upTo end: Int) -> Action {
        defer { start = end }
        return .bytes(Array(buffer[start..<end]))
    }

    private func find(_ pattern: [UInt8]) -> Int? {
        buffer.withUnsafeBytes { bytes -> Int? in
            guard let base = bytes.baseAddress else { return nil }
            var at = start
            while bytes.count - at >= pattern.count {
                guard let found = memchr(base + at, Int32(pattern[0]), bytes.count - at - pattern.count + 1) else { return nil }
                if memcmp(found, pattern, pattern.count) == 0 { return UnsafeRawPointer(found) - base }
                at = UnsafeRawPointer(found) - base + 1
            }
            return nil
        }
    }

    static func malformed(_ message: String, hint: String? = nil) -> MillraceError {
        MillraceError(.malformedRequest, message, hint: hint)
    }
}
