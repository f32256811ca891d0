import Foundation
import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceText

@Suite struct TextFuzzTests {
    @Test func `a table is refused with a known code, or is written back as it was and read again as the same fields`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzTables() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "csv"))") }
    }

    @Test func `whatever the text, its ids are in the vocabulary, and no more than asked for`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzTokenizer() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "tokenizer"))") }
    }

    @Test func `whatever a recogniser gives, a line is of its characters and its confidence is a part of one`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzLines() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "ctc"))") }
    }
}

private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

private func fuzzTables() throws {
    let comments = Array(try Data(contentsOf: root.appending(path: "Examples/data/comments-1000.csv")).prefix(3000))
    let samples = [
        "id,text\r\n1,\"a, \"\"b\"\"\nc\"\n\n2,plain \"quote\" inside\r3,last", "a;b\n1,5;2\n", "a\tb\n\t\n", "a|b|c\n1|2|3", "text\nhello\n",
        "\u{FEFF}héllo,wörld\n日本,😀\n", "\n\na,b\n1,2\n\n\n",
    ].map { Array($0.utf8) }
    let wide: [UInt8] = [0xFF, 0xFE] + "a,b\r\n1,\"é\"\r\n😀,2\r\n".utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    let folder = try TemporaryDirectory("millrace-fuzz")
    let path = folder.file("table.csv")
    let tokens = ["\"", "\"\"", ",", ";", "\t", "|", "\r\n", "\n", "\r", "\u{FEFF}", "\u{0}", "\"\n\"", ",\"", "\","]
    try Fuzzing("csv", samples: samples + [comments, wide], tokens: tokens, inputs: 4_000).run { input, _ in
        guard let table = try read(input, at: path) else { return }
        if !table.hasByteOrderMark, table.written != input { throw Fuzzing.Finding("the records together are not the file") }
        let again = ([table.columns] + table.rows).map { $0.map(table.format.field).joined(separator: String(Unicode.Scalar(table.format.delimiter.rawValue))) }
        // What was guessed for the file may be guessed otherwise for another spelling of it; and a lone empty field is an empty line.
        // It is written with a byte order mark: without, a first column whose name begins with one would lose it.
        guard let second = try read(Array(("\u{FEFF}" + again.joined(separator: "\n") + "\n").utf8), at: path), second.format == table.format,
            !table.rows.contains([""]), table.columns != [""]
        else { return }
        guard second.columns == table.columns, second.rows == table.rows else { throw Fuzzing.Finding("the fields are others when read again") }
    }
}

private struct ReadTable {
    var format: CSVFormat
    var columns: [String]
    var hasByteOrderMark: Bool
    var rows: [[String]] = []
    var written: [UInt8]
}

/// - Returns: `nil` when the table is refused as it may be.
private func read(_ bytes: [UInt8], at path: String) throws -> ReadTable? {
    try Data(bytes).write(to: URL(filePath: path))
    do {
        var reader = try CSVReader(path: path)
        var table = ReadTable(
            format: reader.format, columns: reader.columns, hasByteOrderMark: reader.hasByteOrderMark,
            written: reader.preamble + reader.header.raw + reader.header.ending)
        while let record = try reader.next() {
            table.written += record.raw + record.ending
            guard !record.isBlank else { continue }
            guard record.fields.count == table.columns.count else { throw Fuzzing.Finding("a row of \(record.fields.count) fields") }
            table.rows.append(record.fields.map { String(decoding: $0, as: UTF8.self) })
        }
        return table
    } catch let failure as JobFailure where ["empty_file", "csv_malformed", "text_encoding"].contains(failure.code) {
        return nil
    }
}

private func fuzzTokenizer() throws {
    let vocabulary = root.appending(path: "models/minilm-sentiment/vocab.txt").path
    let size = try String(contentsOfFile: vocabulary, encoding: .utf8).split(separator: "\n").count
    let (lower, cased) = (try WordPieceTokenizer(vocabularyAt: vocabulary), try WordPieceTokenizer(vocabularyAt: vocabulary, lowercase: false))
    let samples = [
        "I loved it, honestly: 10/10 would buy again!", "naïve café — “quoted” 日本語 テスト 한국어 😀👨‍👩‍👧 I\u{307}stanbul", "[CLS] [SEP] [MASK] [UNK][PAD] ##ing",
        String(repeating: "unaffable", count: 30), "e\u{301}\u{327}\u{301} ﬁ Å \u{200B}\u{FEFF}\u{00AD}\u{FFFD}\u{0}", "\u{1F1E9}\u{1F1EA} ①②③ ½ ǅ ẞ",
    ].map { Array($0.utf8) }
    let tokens = ["[", "[MASK]", "[CL", "##", "\u{301}", "\u{0}", "日", "😀", "\u{200D}", "\u{110BD}", "\u{FDFA}", " ", "\u{3000}", "'"]
    try Fuzzing("tokenizer", samples: samples, tokens: tokens, inputs: 8_000).run { input, random in
        let text = String(decoding: input, as: UTF8.self)
        let most = 2 + Int(random.next() % 128)
        for tokenizer in [lower, cased] {
            let ids = tokenizer.ids(of: text, tokensMax: most)
            guard (2...most).contains(ids.count) else { throw Fuzzing.Finding("\(ids.count) ids where \(most) are allowed") }
            guard ids.allSatisfy({ (0..<Int64(size)).contains($0) }) else { throw Fuzzing.Finding("an id outside of the vocabulary: \(ids)") }
            let all = tokenizer.ids(of: text, tokensMax: 1 << 20)
            guard ids.dropLast() == all.prefix(ids.count - 1) else { throw Fuzzing.Finding("a text that is cut has other ids at its beginning") }
        }
    }
}

private func fuzzLines() throws {
    let characters = (0..<40).map { String(Unicode.Scalar(UInt8(0x41 + $0))) }
    let decoder = CTCDecoder(characters: characters)
    let width = decoder.classCount
    func sample(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
    let samples = [
        sample((0..<8 * width).map { $0 % 7 == 0 ? 0.9 : 0.01 }), sample((0..<5 * width).map { Float($0 % width) / Float(width) }),
        sample([Float](repeating: .nan, count: 2 * width)), sample([Float](repeating: -.infinity, count: 2 * width)),
        sample([Float](repeating: .infinity, count: 2 * width)),
    ]
    let known = Set(characters + [" "])
    try Fuzzing("ctc", samples: samples, inputs: 8_000).run { input, _ in
        let steps = input.count / 4 / width
        let values = input.withUnsafeBytes { bytes in (0..<steps * width).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) } }
        let line = values.withUnsafeBufferPointer { decoder.line($0, steps: steps) }
        guard line.text.count <= steps, line.text.allSatisfy({ known.contains(String($0)) }) else { throw Fuzzing.Finding("a line \(line)") }
        // A probability outside of 0 to 1 is the model's fault and told as it is; one inside must stay there.
        if values.allSatisfy({ (0...1).contains($0) }), !(0...1).contains(line.confidence) { throw Fuzzing.Finding("a line \(line)") }
    }
}
