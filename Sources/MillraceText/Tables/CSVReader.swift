import Foundation
import MillraceCore

/// Reads a table with a header from a file, record by record, in bounded memory.
///
/// Every record keeps its bytes, so that whatever is written back is the original plus what was added. The text may be
/// UTF-8, with or without a byte order mark, or UTF-16 with one, whose records are then given in UTF-8.
public struct CSVReader: Sendable {
    public let format: CSVFormat
    /// Whether the file began with a byte order mark.
    public let hasByteOrderMark: Bool
    /// Empty lines before the header, as they were.
    public private(set) var preamble: [UInt8] = []
    public private(set) var header: CSVRecord
    /// The columns' names in order.
    public private(set) var columns: [String] = []

    private var source: UTF8Source
    private var scanner: CSVScanner
    private var waiting: ArraySlice<CSVRecord>
    private var isAtEnd: Bool
    private var rowsRead = 0

    private static let sampleBytes = 1 << 16

    /// Reads the beginning: encoding, delimiter, header.
    ///
    /// - Throws: `empty_file`, `text_encoding`, `csv_malformed` or `input_unavailable`.
    public init(path: String) throws(JobFailure) {
        var source = try UTF8Source(path: path)
        var sample: [UInt8] = []
        var isWhole = false
        while sample.count < Self.sampleBytes, !isWhole {
            if let piece = try source.next() { sample += piece } else { isWhole = true }
        }
        hasByteOrderMark = source.hasByteOrderMark
        self.source = source
        format = CSVFormat.guess(from: sample, isWhole: isWhole)
        scanner = CSVScanner(format: format)
        waiting = []
        isAtEnd = false
        header = CSVRecord(raw: [], ending: [], fields: [], line: 1, offset: 0)

        waiting = try scanner.push(sample)[...]
        while let record = try nextRecord() {
            guard record.isBlank else {
                header = record
                break
            }
            preamble += record.ending
        }
        guard !header.isBlank else { throw JobFailure(.emptyFile, "the table is empty", hint: "its first record must name the columns") }
        try Self.checkText(of: header, called: "the header", after: hasByteOrderMark)
        columns = header.fields.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The next row or empty line, `nil` after the last.
    ///
    /// - Throws: `csv_malformed` when a row has more or fewer fields than the header, or a quote is wrong;
    ///   `text_encoding` for bytes that are not UTF-8, or NUL.
    public mutating func next() throws(JobFailure) -> CSVRecord? {
        guard let record = try nextRecord() else { return nil }
        guard !record.isBlank else { return record }
        rowsRead += 1
        let name = "row \(rowsRead) (line \(record.line))"
        try Self.checkText(of: record, called: name, after: hasByteOrderMark)
        guard record.fields.count == columns.count else {
            throw JobFailure(
                .csvMalformed,
                "\(name) has \(record.fields.count) field\(record.fields.count == 1 ? "" : "s"), the header has \(columns.count)",
                hint: "a field that contains the delimiter or a line break must stand in double quotes")
        }
        return record
    }

    private mutating func nextRecord() throws(JobFailure) -> CSVRecord? {
        while waiting.isEmpty, !isAtEnd {
            if let piece = try source.next() {
                waiting = try scanner.push(piece)[...]
            } else {
                isAtEnd = true
                if let last = try scanner.finish() { waiting = [last] }
            }
        }
        return waiting.popFirst()
    }

    private static func checkText(
        of record: CSVRecord, called name: String, after byteOrderMark: Bool
    ) throws(JobFailure) {
        guard let fault = UTF8Source.firstFault(in: record.raw) else { return }
        if record.raw[fault] == 0 {
            throw JobFailure(
                .textEncoding, "\(name) contains a NUL byte",
                hint: "is it a text file? UTF-16 is read only with a byte order mark")
        }
        let offset = record.offset + fault + (byteOrderMark ? 3 : 0)
        throw JobFailure(
            .textEncoding, "\(name) is not valid UTF-8 (byte \(offset) of the file)",
            hint: "save the file as UTF-8, for example: iconv -f WINDOWS-1252 -t UTF-8 in.csv > out.csv")
    }
}
