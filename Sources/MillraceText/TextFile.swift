import Foundation
import MillraceCore

/// A whole text file in memory, for texts of a size that a model reads.
public enum TextFile {
    /// The text without its byte order mark; UTF-8, or UTF-16 with a byte order mark.
    ///
    /// - Throws: `text_encoding` for anything else, or a NUL byte; `input_unavailable`.
    public static func read(path: String) throws(JobFailure) -> String {
        var source = try UTF8Source(path: path)
        var bytes: [UInt8] = []
        while let piece = try source.next() { bytes += piece }
        if let fault = UTF8Source.firstFault(in: bytes) {
            throw JobFailure(
                .textEncoding, "the text is not valid UTF-8 at byte \(fault)",
                hint: "save the file as UTF-8, for example: iconv -f WINDOWS-1252 -t UTF-8 in.txt > out.txt")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
