import Foundation
import MillraceCore

/// A text file's bytes as UTF-8, in pieces.
///
/// UTF-8 with or without a byte order mark is passed through; UTF-16 with a byte order mark is transcoded. Nothing is
/// checked here but what transcoding needs: ``firstFault(in:)`` checks UTF-8.
struct UTF8Source: Sendable {
    private enum Encoding { case utf8, utf16LittleEndian, utf16BigEndian }

    private static let pieceBytes = 1 << 16

    private let file: FileHandle
    private let encoding: Encoding
    private var rest: [UInt8] = []
    private var first: [UInt8]
    private var isAtEnd = false
    /// Whether the file began with a byte order mark, of either encoding.
    let hasByteOrderMark: Bool

    /// - Throws: `input_unavailable` when the file cannot be opened; `text_encoding` for UTF-32.
    init(path: String) throws(JobFailure) {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw JobFailure(.inputUnavailable, "the input file cannot be opened", retryable: true)
        }
        self.file = file
        first = try Self.read(file)
        if first.starts(with: [0xFF, 0xFE, 0, 0]) || first.starts(with: [0, 0, 0xFE, 0xFF]) {
            throw JobFailure(.textEncoding, "the file is UTF-32", hint: "convert it: iconv -f UTF-32 -t UTF-8 in > out")
        }
        let mark: Int
        (encoding, mark) =
            if first.starts(with: [0xEF, 0xBB, 0xBF]) { (.utf8, 3) }
            else if first.starts(with: [0xFF, 0xFE]) { (.utf16LittleEndian, 2) }
            else if first.starts(with: [0xFE, 0xFF]) { (.utf16BigEndian, 2) }
            else { (.utf8, 0) }
        first.removeFirst(mark)
        hasByteOrderMark = mark > 0
    }

    /// The next piece, `nil` at the end.
    mutating func next() throws(JobFailure) -> [UInt8]? {
        guard !isAtEnd else { return nil }
        var bytes = first
        first = []
        if bytes.isEmpty { bytes = try Self.read(file) }
        isAtEnd = bytes.isEmpty
        guard encoding != .utf8 else { return isAtEnd ? nil : bytes }
        guard !isAtEnd else {
            guard rest.isEmpty else { throw Self.damagedUTF16() }
            return nil
        }
        return try transcoded(bytes)
    }

    private mutating func transcoded(_ bytes: [UInt8]) throws(JobFailure) -> [UInt8] {
        let bytes = rest + bytes
        let (low, high) = encoding == .utf16LittleEndian ? (0, 1) : (1, 0)
        var units: [UInt16] = stride(from: 0, to: bytes.count - 1, by: 2).map { index in
            UInt16(bytes[index + low]) | (UInt16(bytes[index + high]) << 8)
        }
        // A high surrogate waits for its other half.
        if let last = units.last, UTF16.isLeadSurrogate(last) { units.removeLast() }
        rest = Array(bytes[(units.count * 2)...])
        guard let text = String(validating: units, as: UTF16.self) else { throw Self.damagedUTF16() }
        return Array(text.utf8)
    }

    private static func damagedUTF16() -> JobFailure {
        JobFailure(.textEncoding, "the file begins as UTF-16 but is not valid UTF-16", hint: "save it as UTF-8")
    }

    private static func read(_ file: FileHandle) throws(JobFailure) -> [UInt8] {
        do {
            return try file.read(upToCount: pieceBytes).map(Array.init) ?? []
        } catch {
            throw JobFailure(.inputUnavailable, "the input file cannot be read", retryable: true)
        }
    }

    /// The index of the first byte that is NUL or not part of valid UTF-8; `nil` when there is none.
    static func firstFault(in bytes: [UInt8]) -> Int? {
        if !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil { return nil }
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var position = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            if scalar.value == 0 { return position }
            position += UTF8.width(scalar)
        }
        return min(position, max(bytes.count - 1, 0))
    }
}
