import Foundation
import MillraceCore

/// Arrivals from a CSV file, read piece by piece.
public struct TraceReader: ArrivalSource {
    private var file: BufferedLines
    private let columns: Columns
    private var line = 1
    private var firstAt: Double?
    private var lastAt = -Double.infinity

    private struct Columns {
        var arrival: Int
        var input: Int?
        var output: Int?
        var work: Int?
    }

    /// - Throws: `invalid_input` for a file that cannot be read or whose first line names no column of times.
    public init(path: String) throws {
        file = try BufferedLines(path: path)
        guard let header = try file.next() else {
            throw MillraceError(.invalidInput, "\(path) is empty", hint: "the first line names the columns, as arrival_s,input_size,output_size")
        }
        let names = CSVLine.fields(header).map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
        func column(_ candidates: String...) -> Int? { names.firstIndex { candidates.contains($0) } }
        guard let arrival = column("arrival_s", "arrival", "timestamp", "time", "arrived_at", "submit_time", "submitted_at") else {
            throw MillraceError(
                .invalidInput, "\(path), line 1: no column of arrival times among \(names.joined(separator: ", "))",
                hint: "name it arrival_s (seconds) or timestamp (seconds, or a date with a time)")
        }
        columns = Columns(
            arrival: arrival, input: column("input_size", "size", "contexttokens", "input_tokens"),
            output: column("output_size", "generatedtokens", "output_tokens"),
            work: column("duration_s", "service_s", "duration", "run_s"))
    }

    public mutating func next() throws -> Arrival? {
        while let text = try file.next() {
            line += 1
            if text.isEmpty { continue }
            return try read(text)
        }
        return nil
    }

    private mutating func read(_ text: String) throws -> Arrival {
        let fields = CSVLine.fields(text)
        let time = try time(field(columns.arrival, fields, "arrival time"))
        guard time >= lastAt else {
            throw MillraceError(
                .invalidInput, "\(file.path), line \(line), column \(columns.arrival + 1): earlier than the line before",
                hint: "sort the trace by its arrival times")
        }
        lastAt = time
        if firstAt == nil { firstAt = time }
        return Arrival(
            at: time - firstAt!, inputSize: try columns.input.map { try number($0, fields, "input size") } ?? 0,
            outputSize: try columns.output.map { try number($0, fields, "output size") } ?? 0,
            work: try columns.work.map { try number($0, fields, "duration") })
    }

    private func field(_ column: Int, _ fields: [Substring], _ meaning: String) throws -> Substring {
        guard column < fields.count else {
            throw MillraceError(
                .invalidInput, "\(file.path), line \(line): column \(column + 1) (\(meaning)) is missing", hint: "each line has the columns of the first")
        }
        return fields[column]
    }

    private func number(_ column: Int, _ fields: [Substring], _ meaning: String) throws -> Double {
        let text = try field(column, fields, meaning)
        guard let value = Double(text) ?? Double(text.trimmingCharacters(in: .whitespaces)), value.isFinite, value >= 0 else {
            throw MillraceError(
                .invalidInput, "\(file.path), line \(line), column \(column + 1): \"\(text)\" is no \(meaning)", hint: "a number, not negative")
        }
        return value
    }

    private func time(_ text: Substring) throws -> Double {
        if let value = Double(text), value.isFinite { return value }
        let trimmed = text.trimmingCharacters(in: .whitespaces)
        if let value = Double(trimmed), value.isFinite { return value }
        if let seconds = Self.date(trimmed) { return seconds }
        throw MillraceError(
            .invalidInput, "\(file.path), line \(line), column \(columns.arrival + 1): \"\(text)\" is no time",
            hint: "seconds as a number, or a date as 2026-11-21T10:35:49.120Z or 2026-11-21 10:35:49.120")
    }

    /// RFC 3339, or a date and a time with a space between and any number of decimals, read as UTC.
    private static func date(_ text: String) -> Double? {
        if let stamp = Timestamp(text) { return Double(stamp.milliseconds) / 1000 }
        let parts = text.split(separator: ".", maxSplits: 1)
        guard let whole = parts.first.flatMap({ Timestamp($0.replacing(" ", with: "T") + ($0.hasSuffix("Z") ? "" : "Z")) }) else { return nil }
        let fraction = parts.count > 1 ? Double("0." + parts[1].prefix { $0.isNumber }) ?? 0 : 0
        return Double(whole.milliseconds) / 1000 + fraction
    }
}

/// Fields with commas between (RFC 4180); one in quotation marks may hold commas, and marks that are doubled, but no line break.
enum CSVLine {
    static func fields(_ line: String) -> [Substring] {
        guard line.utf8.contains(UInt8(ascii: "\"")) else { return line.split(separator: ",", omittingEmptySubsequences: false) }
        var fields: [Substring] = []
        var field = ""
        var isQuoted = false
        var rest = line[...]
        while let character = rest.popFirst() {
            switch character {
            case "\"" where isQuoted && rest.first == "\"": field.append(rest.removeFirst())
            case "\"": isQuoted.toggle()
            case "," where !isQuoted:
                fields.append(field[...])
                field = ""
            default: field.append(character)
            }
        }
        return fields + [field[...]]
    }
}

/// Lines of a file without its whole in memory.
struct BufferedLines {
    let path: String
    private let handle: FileHandle
    private var buffer = Data()
    private var isAtStart = true
    private var isAtEnd = false
    /// What spreadsheets write in front of UTF-8.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    init(path: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw MillraceError(.invalidInput, "\(path) is a folder", hint: "name a file in it")
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw MillraceError(.invalidInput, "cannot read \(path)", hint: "a file that this user may read")
        }
        self.path = path
        self.handle = handle
    }

    mutating func next() throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { buffer = buffer[(end + 1)...] }
                return text(buffer[..<end])
            }
            if isAtEnd {
                defer { buffer = Data() }
                return buffer.isEmpty ? nil : text(buffer)
            }
            guard let more = try read(), !more.isEmpty else {
                isAtEnd = true
                continue
            }
            buffer = Data(buffer) + more
            if isAtStart, buffer.starts(with: Self.byteOrderMark) { buffer = buffer.dropFirst(Self.byteOrderMark.count) }
            isAtStart = false
        }
    }

    private func read() throws -> Data? {
        do { return try handle.read(upToCount: 1 << 18) } catch {
            throw MillraceError(.invalidInput, "cannot read \(path)", hint: "a file that this user may read")
        }
    }

    private func text(_ line: Data) -> String {
        String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
    }
}
