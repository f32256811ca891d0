import Foundation

/// What bytes are, told from the bytes alone: never from a file's name or what a client declares.
///
/// Signatures follow the WHATWG MIME Sniffing Standard and the formats' own specifications. Text is told apart by
/// heuristics: an object or array in JSON, rows with the same number of separators in CSV, else plain text.
public enum MediaSniffer {
    /// As many bytes as ``sniff(_:whole:)`` looks at.
    public static let prefixBytes = 64 * 1024

    /// - Parameters:
    ///   - prefix: the first bytes, best ``prefixBytes`` of them.
    ///   - whole: whether that is the whole content.
    public static func sniff(_ prefix: some Collection<UInt8>, whole: Bool) -> String {
        let bytes = Array(prefix.prefix(prefixBytes))
        return signature(bytes) ?? container(bytes) ?? text(bytes, whole: whole) ?? ContentType.unknown
    }

    private static let signatures: [(start: [UInt8], type: String)] = [
        ([0xFF, 0xD8, 0xFF], "image/jpeg"),
        ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], "image/png"),
        (Array("GIF87a".utf8), "image/gif"),
        (Array("GIF89a".utf8), "image/gif"),
        ([0x49, 0x49, 0x2A, 0x00], "image/tiff"),
        ([0x4D, 0x4D, 0x00, 0x2A], "image/tiff"),
        ([0x49, 0x49, 0x2B, 0x00], "image/tiff"),
        ([0x4D, 0x4D, 0x00, 0x2B], "image/tiff"),
        ([0x1F, 0x8B, 0x08], "application/gzip"),
        ([0x50, 0x4B, 0x03, 0x04], "application/zip"),
        ([0x50, 0x4B, 0x05, 0x06], "application/zip"),
        ([0x28, 0xB5, 0x2F, 0xFD], "application/zstd"),
        (Array("fLaC".utf8), "audio/flac"),
        (Array("OggS".utf8), "audio/ogg"),
        (Array("ID3".utf8), "audio/mpeg"),
        ([0x1A, 0x45, 0xDF, 0xA3], "video/webm"),
        ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59], "application/x-npy"),
        (Array("PAR1".utf8), "application/vnd.apache.parquet"),
    ]

    private static func signature(_ bytes: [UInt8]) -> String? {
        if let found = signatures.first(where: { bytes.starts(with: $0.start) }) { return found.type }
        // A PDF may have some bytes before its header (ISO 32000-1, implementation note 13).
        if bytes.prefix(1024).range(of: "%PDF-") != nil { return "application/pdf" }
        // Two sync bytes of MPEG audio, layer III.
        if bytes.count > 2, bytes[0] == 0xFF, [0xFB, 0xF3, 0xF2].contains(bytes[1]) { return "audio/mpeg" }
        if bytes.starts(with: "BM".utf8), bytes.count >= 26, [12, 40, 52, 56, 64, 108, 124].contains(bytes.littleEndian32(at: 14)) {
            return "image/bmp"
        }
        return nil
    }

    /// Formats whose mark comes after a length or a frame.
    private static func container(_ bytes: [UInt8]) -> String? {
        guard bytes.count >= 12 else { return nil }
        if bytes.starts(with: "RIFF".utf8) {
            switch String(decoding: bytes[8..<12], as: UTF8.self) {
            case "WEBP": return "image/webp"
            case "WAVE": return "audio/wav"
            case "AVI ": return "video/x-msvideo"
            default: return nil
            }
        }
        guard bytes[4..<8].elementsEqual("ftyp".utf8) else { return nil }
        switch String(decoding: bytes[8..<12], as: UTF8.self) {
        case "avif", "avis": return "image/avif"
        case "heic", "heix", "hevc", "mif1", "msf1": return "image/heic"
        case "M4A ": return "audio/mp4"
        case "qt  ": return "video/quicktime"
        default: return "video/mp4"
        }
    }

    private static func text(_ bytes: [UInt8], whole: Bool) -> String? {
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) { return "text/plain" }
        guard !bytes.isEmpty, !bytes.contains(where: isBinary) else { return nil }
        if !isUTF8(bytes, whole: whole) {
            // Other encodings of text have some bytes over 127; noise without a control character has many.
            guard bytes.count(where: { $0 >= 0x80 }) * 3 < bytes.count else { return nil }
        }
        if isJSON(bytes, whole: whole) { return "application/json" }
        return isCSV(bytes, whole: whole) ? "text/csv" : "text/plain"
    }

    /// WHATWG's "binary data bytes".
    private static func isBinary(_ byte: UInt8) -> Bool {
        byte <= 0x08 || byte == 0x0B || (0x0E...0x1A).contains(byte) || (0x1C...0x1F).contains(byte)
    }

    private static func isUTF8(_ bytes: [UInt8], whole: Bool) -> Bool {
        // A character of up to 4 bytes may be cut at the end of the prefix.
        (whole ? 0...0 : 0...3).contains { String(validating: bytes.dropLast($0), as: UTF8.self) != nil }
    }

    private static func isJSON(_ bytes: [UInt8], whole: Bool) -> Bool {
        let spaces: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        guard let start = bytes.firstIndex(where: { !spaces.contains($0) }), let open = bytes[start...].first,
            open == UInt8(ascii: "{") || open == UInt8(ascii: "[")
        else { return false }
        if whole { return (try? JSONSerialization.jsonObject(with: Data(bytes))) != nil }
        // What may come after the bracket: `{"`, `{}`, and in an array any value.
        guard let next = bytes[(start + 1)...].first(where: { !spaces.contains($0) }) else { return false }
        return open == UInt8(ascii: "{") ? "\"}".utf8.contains(next) : "\"[{]-0123456789tfn".utf8.contains(next)
    }

    /// At least two rows, all with the same number, at least one, of the same separator outside of quotes.
    private static func isCSV(_ bytes: [UInt8], whole: Bool) -> Bool {
        [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")].contains { separator in
            var counts: [Int] = []
            var count = 0
            var quoted = false
            var isEmpty = true
            for byte in bytes {
                if byte == UInt8(ascii: "\"") { quoted.toggle() }
                if !quoted, byte == separator { count += 1 }
                if !quoted, byte == UInt8(ascii: "\n") {
                    if !isEmpty { counts.append(count) }
                    (count, isEmpty) = (0, true)
                    if counts.count == 50 { break }
                } else if byte != UInt8(ascii: "\r") {
                    isEmpty = false
                }
            }
            if whole, !isEmpty, !quoted { counts.append(count) }
            return counts.count >= 2 && counts[0] > 0 && counts.allSatisfy { $0 == counts[0] }
        }
    }
}

extension Collection<UInt8> {
    /// Where an ASCII text begins for the first time.
    func range(of text: String) -> Index? {
        let wanted = Array(text.utf8)
        return indices.first { self[$0...].starts(with: wanted) }
    }
}

extension [UInt8] {
    func littleEndian32(at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(self[offset + $1]) << (8 * UInt32($1)) }
    }
}
