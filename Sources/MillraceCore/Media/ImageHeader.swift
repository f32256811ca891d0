/// The size of an image as its header tells it, without decoding a pixel.
public struct ImageHeader: Sendable, Equatable {
    public var width: Int64
    public var height: Int64
    public var pixels: Int64 {
        let (product, overflow) = width.multipliedReportingOverflow(by: height)
        return overflow ? .max : product
    }

    public init(width: Int64, height: Int64) {
        self.width = width
        self.height = height
    }
}

/// Finds an ``ImageHeader`` in JPEG, PNG, GIF, WebP, TIFF and BMP by asking for the bytes that it needs.
///
/// A value that decides, with no reading of its own: ``step(_:)`` is given the window it asked for last and says what
/// comes next. It never asks for more than 4 KiB and at most 64 times (a JPEG may have many segments before its size).
///
/// Sources: ITU T.81 (JPEG), W3C PNG, GIF89a, RFC 9649 (WebP), TIFF 6.0, BITMAPINFOHEADER.
public struct ImageHeaderReader: Sendable {
    public enum Step: Sendable, Equatable {
        /// Give the bytes from `offset`; fewer than `count` only where the file ends.
        case read(offset: Int64, count: Int)
        case found(ImageHeader)
        /// Not one of the formats, or damaged: whoever decodes it will say more.
        case unknown
    }

    private enum State { case start, segment(Int64), directory(bigEndian: Bool) }
    private var state = State.start
    private var steps = 0

    public init() {}

    /// The first step to take.
    public static let first = Step.read(offset: 0, count: 64)

    public mutating func step(_ bytes: [UInt8]) -> Step {
        steps += 1
        guard steps <= 64 else { return .unknown }
        switch state {
        case .start: return start(Window(bytes))
        case .segment(let offset): return segment(Window(bytes), at: offset)
        case .directory(let bigEndian): return Self.directory(Window(bytes, bigEndian: bigEndian))
        }
    }

    private mutating func start(_ bytes: Window) -> Step {
        if bytes.hasText("\u{89}PNG", at: 0, latin1: true) { return .found(width: bytes.big32(16), height: bytes.big32(20)) }
        if bytes.hasText("GIF8", at: 0) { return .found(width: bytes.little16(6), height: bytes.little16(8)) }
        if bytes.hasText("RIFF", at: 0), bytes.hasText("WEBP", at: 8) { return Self.webp(bytes) }
        if bytes.hasText("BM", at: 0) { return Self.bitmap(bytes) }
        if bytes.hasText("II*\0", at: 0) || bytes.hasText("MM\0*", at: 0) {
            let bigEndian = bytes.hasText("MM", at: 0)
            guard let offset = Window(bytes.bytes, bigEndian: bigEndian).word32(4) else { return .unknown }
            state = .directory(bigEndian: bigEndian)
            return .read(offset: offset, count: 4096)
        }
        guard bytes.byte(0) == 0xFF, bytes.byte(1) == 0xD8 else { return .unknown }
        state = .segment(2)
        return .read(offset: 2, count: 16)
    }

    /// One JPEG marker segment: a frame header has the size, any other is skipped.
    private mutating func segment(_ bytes: Window, at offset: Int64) -> Step {
        guard bytes.byte(0) == 0xFF, let marker = bytes.byte(1) else { return .unknown }
        switch marker {
        case 0xFF:  // fill byte
            state = .segment(offset + 1)
            return .read(offset: offset + 1, count: 16)
        case 0xC0...0xC3, 0xC5...0xC7, 0xC9...0xCB, 0xCD...0xCF:
            return .found(width: bytes.big16(7), height: bytes.big16(5))
        case 0xD8, 0xD9, 0xDA, 0x00: return .unknown
        default:
            guard let length = bytes.big16(2), length >= 2 else { return .unknown }
            let next = offset + 2 + length
            state = .segment(next)
            return .read(offset: next, count: 16)
        }
    }

    /// The first image file directory of a TIFF: tags 256 and 257.
    private static func directory(_ bytes: Window) -> Step {
        guard let count = bytes.word16(0) else { return .unknown }
        var sides: [Int64: Int64] = [:]
        for entry in 0..<Int(min(count, 340)) {
            let at = 2 + entry * 12
            guard let tag = bytes.word16(at), let type = bytes.word16(at + 2) else { break }
            if tag == 256 || tag == 257 { sides[tag] = type == 3 ? bytes.word16(at + 8) : bytes.word32(at + 8) }
        }
        return .found(width: sides[256], height: sides[257])
    }

    private static func webp(_ bytes: Window) -> Step {
        if bytes.hasText("VP8X", at: 12) {
            return .found(width: bytes.little24(24).map { $0 + 1 }, height: bytes.little24(27).map { $0 + 1 })
        }
        if bytes.hasText("VP8L", at: 12), bytes.byte(20) == 0x2F, let bits = bytes.little32(21) {
            return .found(width: bits & 0x3FFF + 1, height: bits >> 14 & 0x3FFF + 1)
        }
        guard bytes.hasText("VP8 ", at: 12) else { return .unknown }
        return .found(width: bytes.little16(26).map { $0 & 0x3FFF }, height: bytes.little16(28).map { $0 & 0x3FFF })
    }

    private static func bitmap(_ bytes: Window) -> Step {
        guard let header = bytes.little32(14) else { return .unknown }
        if header == 12 { return .found(width: bytes.little16(18), height: bytes.little16(20)) }
        // The height is negative when rows go from top to bottom.
        return .found(
            width: bytes.little32(18).map { abs(Int64(Int32(truncatingIfNeeded: $0))) },
            height: bytes.little32(22).map { abs(Int64(Int32(truncatingIfNeeded: $0))) })
    }
}

extension ImageHeaderReader.Step {
    fileprivate static func found(width: Int64?, height: Int64?) -> Self {
        guard let width, let height, width > 0, height > 0 else { return .unknown }
        return .found(ImageHeader(width: width, height: height))
    }
}

/// Reads numbers out of bytes; `nil` past their end.
private struct Window {
    let bytes: [UInt8]
    var bigEndian = false

    init(_ bytes: [UInt8], bigEndian: Bool = false) {
        self.bytes = bytes
        self.bigEndian = bigEndian
    }

    func byte(_ at: Int) -> UInt8? { bytes.indices.contains(at) ? bytes[at] : nil }

    func hasText(_ text: String, at: Int, latin1: Bool = false) -> Bool {
        let wanted = latin1 ? text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } : Array(text.utf8)
        return bytes.count >= at + wanted.count && bytes[at..<at + wanted.count].elementsEqual(wanted)
    }

    func big16(_ at: Int) -> Int64? { number(at, 2, bigEndian: true) }
    func big32(_ at: Int) -> Int64? { number(at, 4, bigEndian: true) }
    func little16(_ at: Int) -> Int64? { number(at, 2, bigEndian: false) }
    func little24(_ at: Int) -> Int64? { number(at, 3, bigEndian: false) }
    func little32(_ at: Int) -> Int64? { number(at, 4, bigEndian: false) }
    func word16(_ at: Int) -> Int64? { number(at, 2, bigEndian: bigEndian) }
    func word32(_ at: Int) -> Int64? { number(at, 4, bigEndian: bigEndian) }

    private func number(_ at: Int, _ count: Int, bigEndian: Bool) -> Int64? {
        guard at >= 0, bytes.count >= at + count else { return nil }
        let part = bytes[at..<at + count]
        return bigEndian ? part.reduce(0) { $0 << 8 | Int64($1) } : part.reversed().reduce(0) { $0 << 8 | Int64($1) }
    }
}
