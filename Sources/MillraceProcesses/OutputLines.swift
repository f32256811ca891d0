/// Cuts a stream of bytes into lines of bounded length, whatever the bytes are.
public struct OutputLines: Sendable {
    private let lineBytesMax: Int
    private var line: [UInt8] = []
    private var omitted = 0

    public init(lineBytesMax: Int) {
        self.lineBytesMax = lineBytesMax
    }

    /// The lines that these bytes complete, without their ends. Bytes that are not UTF-8 become U+FFFD.
    public mutating func append(_ bytes: [UInt8]) -> [String] {
        var lines: [String] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            take(rest[..<end])
            if let line = finish() { lines.append(line) }
            rest = rest[(end + 1)...]
        }
        take(rest)
        return lines
    }

    /// The last line when it has no end; `nil` for an empty one.
    public mutating func finish() -> String? {
        defer {
            line.removeAll(keepingCapacity: true)
            omitted = 0
        }
        while line.last == UInt8(ascii: "\r") { line.removeLast() }
        // A progress bar redraws its line: what counts is what stands there in the end.
        let visible = line.split(separator: UInt8(ascii: "\r")).last ?? []
        guard !visible.isEmpty else { return nil }
        let text = String(decoding: visible, as: UTF8.self)
        return omitted > 0 ? "\(text)... (\(omitted) bytes left out)" : text
    }

    private mutating func take(_ part: ArraySlice<UInt8>) {
        let room = lineBytesMax - line.count
        line += part.prefix(room)
        omitted += max(0, part.count - room)
    }
}

/// The last bytes of a stream, for a crash report.
public struct OutputTail: Sendable {
    private let bytesMax: Int
    private var bytes: [UInt8] = []
    private var isCut = false

    public init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    public mutating func append(_ more: [UInt8]) {
        bytes += more
        guard bytes.count > bytesMax else { return }
        bytes.removeFirst(bytes.count - bytesMax)
        isCut = true
    }

    /// At most `bytesMax` bytes, from the start of a line where there is one.
    public var text: String {
        var tail = bytes[...]
        if isCut, let end = tail.firstIndex(of: UInt8(ascii: "\n")), end + 1 < tail.endIndex {
            tail = tail[(end + 1)...]
        }
        while let last = tail.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { tail.removeLast() }
        return String(decoding: tail, as: UTF8.self)
    }
}
