import MillraceCore

/// Reads records out of bytes that come in pieces. RFC 4180, with LF and CR as line endings too.
///
/// A quote opens a quoted field only as the field's first byte; elsewhere in an unquoted field it is a character like
/// any other.
struct CSVScanner: Sendable {
    /// A record longer than this is taken for a missing closing quote. 16 MiB.
    static let recordBytesMax = 16 << 20

    private enum State { case fieldStart, unquoted, quoted, quoteInQuoted, afterCR }

    private let delimiter: UInt8
    private var state = State.fieldStart
    private var raw: [UInt8] = []
    private var field: [UInt8] = []
    private var fields: [[UInt8]] = []
    private var line = 1
    private var recordLine = 1
    private var offset = 0
    private var recordOffset = 0
    private var quoteLine = 1
    private var isAnywhereInRecord = false

    init(format: CSVFormat) {
        delimiter = format.delimiter.rawValue
    }

    /// The records that these bytes complete.
    ///
    /// - Throws: `csv_malformed` with the line.
    mutating func push(_ bytes: some Sequence<UInt8>) throws(JobFailure) -> [CSVRecord] {
        var records: [CSVRecord] = []
        for byte in bytes {
            if state == .afterCR {
                if byte == 0x0A {
                    offset += 1
                    records.append(take(ending: [0x0D, 0x0A]))
                    continue
                }
                records.append(take(ending: [0x0D]))
            }
            if let record = try step(byte) { records.append(record) }
        }
        return records
    }

    /// The last record, when the file does not end with a line ending.
    mutating func finish() throws(JobFailure) -> CSVRecord? {
        if state == .afterCR { return take(ending: [0x0D]) }
        guard state != .quoted else {
            throw JobFailure(
                .csvMalformed, "the quoted field that starts in line \(quoteLine) is never closed",
                hint: "a quote inside of a quoted field is written twice: \"\"")
        }
        guard isAnywhereInRecord else { return nil }
        return take(ending: [])
    }

    /// Takes one byte; returns the record when the byte is a line feed that ends it.
    private mutating func step(_ byte: UInt8) throws(JobFailure) -> CSVRecord? {
        offset += 1
        isAnywhereInRecord = true
        if byte == 0x0A { line += 1 }
        if raw.count >= Self.recordBytesMax {
            throw JobFailure(
                .csvMalformed, "the record that starts in line \(recordLine) is longer than \(Self.recordBytesMax >> 20) MiB",
                hint: "is a closing quote missing?")
        }
        switch (state, byte) {
        case (.quoted, 0x22):
            state = .quoteInQuoted
        case (.quoted, _):
            field.append(byte)
        case (.quoteInQuoted, 0x22):
            field.append(byte)
            state = .quoted
        case (.fieldStart, 0x22):
            state = .quoted
            quoteLine = line
        case (_, delimiter):
            endField()
        case (_, 0x0A):
            return take(ending: [0x0A], lineCounted: true)
        case (_, 0x0D):
            state = .afterCR
            return nil
        case (.quoteInQuoted, _):
            throw JobFailure(
                .csvMalformed, "a character follows the closing quote of a field in line \(line)",
                hint: "a quote inside of a quoted field is written twice: \"\"")
        default:
            state = .unquoted
            field.append(byte)
        }
        raw.append(byte)
        return nil
    }

    private mutating func endField() {
        fields.append(field)
        field = []
        state = .fieldStart
    }

    private mutating func take(ending: [UInt8], lineCounted: Bool = false) -> CSVRecord {
        endField()
        let record = CSVRecord(raw: raw, ending: ending, fields: fields, line: recordLine, offset: recordOffset)
        raw = []
        fields = []
        if !ending.isEmpty, !lineCounted { line += 1 }
        recordLine = line
        recordOffset = offset
        isAnywhereInRecord = false
        return record
    }
}
