/// How a table is written: its delimiter and its line ending.
public struct CSVFormat: Sendable, Equatable {
    public enum Delimiter: UInt8, Sendable, CaseIterable {
        case comma = 0x2C, semicolon = 0x3B, tab = 0x09, pipe = 0x7C
    }

    public var delimiter: Delimiter

    public init(delimiter: Delimiter) {
        self.delimiter = delimiter
    }

    /// Guesses the delimiter from a table's beginning.
    ///
    /// Under each candidate the sample is read as a table; the one under which most of the records have as many
    /// fields as the first, and at least two, wins; then the one with more fields; then the order of ``Delimiter``.
    /// A table of one column counts as delimited by commas.
    ///
    /// - Parameter sample: The beginning of the file in UTF-8, without a byte order mark.
    /// - Parameter isWhole: Whether the sample is the whole file; else its last record is taken for incomplete.
    public static func guess(from sample: [UInt8], isWhole: Bool) -> CSVFormat {
        var best = (format: CSVFormat(delimiter: .comma), agreeing: 0.0, fields: 1)
        for delimiter in Delimiter.allCases {
            let format = CSVFormat(delimiter: delimiter)
            var scanner = CSVScanner(format: format)
            var records = (try? scanner.push(sample)) ?? []
            if isWhole, let last = try? scanner.finish() { records.append(last) }
            if records.isEmpty, let only = try? scanner.finish() { records = [only] }
            let counts = records.filter { !$0.isBlank }.map(\.fields.count)
            guard let fields = counts.first, fields > 1 else { continue }
            let agreeing = Double(counts.count { $0 == fields }) / Double(counts.count)
            if (agreeing, fields) > (best.agreeing, best.fields) { best = (format, agreeing, fields) }
        }
        return best.format
    }

    /// The field as it stands in a file: quoted where RFC 4180 asks for it.
    ///
    /// Read byte by byte, as ``CSVReader`` reads it: a combining mark behind a quote would make another character of it.
    public func field(_ text: String) -> String {
        let needsQuotes = text.utf8.contains { $0 == delimiter.rawValue || $0 == 0x22 || $0 == 0x0A || $0 == 0x0D }
        guard needsQuotes else { return text }
        var quoted: [UInt8] = [0x22]
        for byte in text.utf8 { quoted += byte == 0x22 ? [0x22, 0x22] : [byte] }
        return String(decoding: quoted + [0x22], as: UTF8.self)
    }
}

/// One record with its bytes as they were.
public struct CSVRecord: Sendable, Equatable {
    /// The record as it stands in the file, in UTF-8, without its line ending.
    public var raw: [UInt8]
    /// LF, CR LF, CR, or nothing at the end of the file.
    public var ending: [UInt8]
    /// The fields' bytes, unquoted.
    public var fields: [[UInt8]]
    /// The line on which it starts, from 1.
    public var line: Int
    /// The first byte's offset in the file's text.
    public var offset: Int

    /// An empty line. It is no row, but it is kept.
    public var isBlank: Bool { raw.isEmpty }
}
