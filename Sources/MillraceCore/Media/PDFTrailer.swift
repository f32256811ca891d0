/// Whether a PDF's end is there: an upload that was cut lacks it.
public enum PDFTrailer {
    /// As many of the last bytes as ``isComplete(tail:)`` looks at.
    public static let tailBytes = 4096

    /// Looks for `startxref` or `%%EOF` near the end (ISO 32000-1, 7.5.5). Readers accept some bytes after it.
    public static func isComplete(tail: some BidirectionalCollection<UInt8>) -> Bool {
        let tail = Array(tail.suffix(tailBytes))
        return tail.range(of: "%%EOF") != nil || tail.range(of: "startxref") != nil
    }
}
