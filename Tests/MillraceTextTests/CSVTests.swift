import Foundation
import MillraceCore
import Testing

@testable import MillraceText

struct CSVTests {
    @Test func `records keep their bytes`() throws {
        let text = "id,text\r\n1,\"a, \"\"b\"\"\nc\"\n\n2,plain \"quote\" inside\r3,last"
        let table = try Table(text)
        #expect(table.columns == ["id", "text"])
        #expect(table.rows == [["1", "a, \"b\"\nc"], ["2", "plain \"quote\" inside"], ["3", "last"]])
        #expect(table.written == text)
        #expect(table.lines == [2, 5, 6])
    }

    @Test(arguments: [
        "a\n1\n", "a\n1", "a,b", "a,b\r\n", "\n\na,b\n1,2\n\n\n", "a,b\n\"\",\"\"\n", "a,b\r1,2\r", "a;b\n1,5;2\n", "a\tb\n\t\n",
        "a|b|c\n1|2|3", "a,b\n1,\"x\r\ny\"\r\n", "héllo,wörld\n日本,😀\n",
    ])
    func `whatever is read is written back byte for byte`(text: String) throws {
        #expect(try Table(text).written == text)
    }

    @Test func `the delimiter is the one under which the records agree`() throws {
        #expect(try Table("name;text\na;one, two, three\nb;four\n").format.delimiter == .semicolon)
        #expect(try Table("a\tb,c\n1\t2\n").format.delimiter == .tab)
        #expect(try Table("a|b\n1|2\n").format.delimiter == .pipe)
        #expect(try Table("text\nhello\n").format.delimiter == .comma)
        #expect(try Table("a,b;c\n1,2;3\n1,\"2;;;\"\n").format.delimiter == .comma)
    }

    @Test func `a row with other fields than the header is named`() throws {
        let failure = try #require(throws: JobFailure.self) { try Table("a,b,c\n1,2,3\n\n1,2\n") }
        #expect(failure.code == "csv_malformed")
        #expect(failure.message == "row 2 (line 4) has 2 fields, the header has 3")
    }

    @Test func `wrong quotes are named by line`() throws {
        let open = try #require(throws: JobFailure.self) { try Table("a,b\n1,2\n3,\"open\n4,5\n") }
        #expect(open.code == "csv_malformed" && open.message.contains("line 3"))
        let after = try #require(throws: JobFailure.self) { try Table("a,b\n1,\"x\"y\n") }
        #expect(after.code == "csv_malformed" && after.message.contains("line 2"))
    }

    @Test func `an empty table is refused, a header alone is a table without rows`() throws {
        #expect(try #require(throws: JobFailure.self) { try Table("") }.code == "empty_file")
        #expect(try #require(throws: JobFailure.self) { try Table("\n\n") }.code == "empty_file")
        #expect(try Table("a,b").rows.isEmpty)
    }

    @Test func `bytes that are not UTF-8 are refused with their place`() throws {
        let failure = try #require(throws: JobFailure.self) { try Table(bytes: Array("a,b\n1,caf".utf8) + [0xE9, 0x0A]) }
        #expect(failure.code == "text_encoding")
        #expect(failure.message == "row 1 (line 2) is not valid UTF-8 (byte 9 of the file)")
        #expect(failure.hint?.contains("iconv -f WINDOWS-1252 -t UTF-8") == true)
        #expect(try #require(throws: JobFailure.self) { try Table(bytes: Array("a,b\n1,".utf8) + [0, 0x0A]) }.code == "text_encoding")
        #expect(try #require(throws: JobFailure.self) { try Table(bytes: [0xFF, 0xFE, 0x00, 0xD8, 0x41, 0x00]) }.code == "text_encoding")
    }

    @Test(arguments: [String.Encoding.utf16LittleEndian, .utf16BigEndian])
    func `UTF-16 with a byte order mark is read as the same text`(encoding: String.Encoding) throws {
        let text = "a,b\n" + String(repeating: "1,日本😀\n", count: 40_000)
        let mark: [UInt8] = encoding == .utf16LittleEndian ? [0xFF, 0xFE] : [0xFE, 0xFF]
        let table = try Table(bytes: mark + Array(try #require(text.data(using: encoding))))
        #expect(table.hasByteOrderMark)
        #expect(table.written == text)
    }

    @Test func `a UTF-8 byte order mark is not part of the first column's name`() throws {
        let table = try Table(bytes: [0xEF, 0xBB, 0xBF] + Array("text,b\n1,2\n".utf8))
        #expect(table.hasByteOrderMark && table.columns == ["text", "b"])
    }

    @Test(arguments: [[0xEF, 0xBB, 0xBF, 0xEF, 0xBB, 0xBF, 0x61, 0x2C, 0x62, 0x0A], [0xFF, 0xFE, 0xFF, 0xFE, 0x61, 0, 0x2C, 0, 0x62, 0, 0x0A, 0]] as [[UInt8]])
    func `a second byte order mark is a part of the first column's name`(bytes: [UInt8]) throws {
        let table = try Table(bytes: bytes)
        #expect(table.hasByteOrderMark && table.columns == ["\u{FEFF}a", "b"])
    }

    @Test func `records that span many pieces of the file stay whole`() throws {
        let long = String(repeating: "x\"\"y\r\n", count: 50_000)
        let text = "a,b\n1,\"\(long)\"\n2,z\n"
        let table = try Table(text)
        #expect(table.rows[0][1] == long.replacing("\"\"", with: "\""))
        #expect(table.written == text)
    }

    @Test func `a field is quoted when it must be`() {
        let format = CSVFormat(delimiter: .semicolon)
        #expect(format.field("a,b") == "a,b")
        #expect(format.field("a;b") == "\"a;b\"")
        #expect(format.field("say \"x\"") == "\"say \"\"x\"\"\"")
        #expect(format.field("a\nb") == "\"a\nb\"")
    }

    @Test(arguments: ["\"\u{301}", "\u{301}\"", "say \"e\"\u{327}\u{301}", "\"\u{200D}\"", "\r\n\"\u{FE0F}", "\u{301}", "\u{FEFF}\"x"])
    func `a field is read as it was written, whatever combines with its quotes`(text: String) throws {
        let format = CSVFormat(delimiter: .comma)
        let table = try Table("a,b\n\(format.field(text)),\(format.field("z"))\n")
        #expect(table.rows.map { $0.map { Array($0.utf8) } } == [[Array(text.utf8), [0x7A]]])
    }

    @Test func `random bytes are read or refused, and never crash`() throws {
        var state: UInt64 = 9
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let alphabet: [UInt8] = Array(",;\t|\"\r\n\"\r\nab ".utf8) + [0, 0xC3, 0xA9, 0xFF, 0xEF, 0xBB, 0xBF, 0xFE]
        for _ in 0..<2000 {
            let bytes = (0..<random(60)).map { _ in alphabet[random(alphabet.count - (random(3) == 0 ? 0 : 8))] }
            guard let table = try? Table(bytes: bytes), !table.hasByteOrderMark else { continue }
            #expect(Array(table.written.utf8) == bytes)
        }
    }
}

/// A table read to its end.
private struct Table {
    var format: CSVFormat
    var columns: [String]
    var hasByteOrderMark: Bool
    var rows: [[String]] = []
    var lines: [Int] = []
    /// The records put together again.
    var written: String

    init(_ text: String) throws {
        try self.init(bytes: Array(text.utf8))
    }

    init(bytes: [UInt8]) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "millrace-\(UUID().uuidString).csv").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(bytes).write(to: URL(filePath: path))
        var reader = try CSVReader(path: path)
        var output = reader.preamble + reader.header.raw + reader.header.ending
        format = reader.format
        columns = reader.columns
        hasByteOrderMark = reader.hasByteOrderMark
        while let record = try reader.next() {
            output += record.raw + record.ending
            guard !record.isBlank else { continue }
            rows.append(record.fields.map { String(decoding: $0, as: UTF8.self) })
            lines.append(record.line)
        }
        written = String(decoding: output, as: UTF8.self)
    }
}
