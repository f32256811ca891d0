import Foundation
import MillraceCore
import MillraceTestSupport
import Testing

@Suite struct CoreFuzzTests {
    @Test func `a JSON text is refused with its place, or means the same when it is written again`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzJSON() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "json"))") }
    }

    @Test func `a file's type and size are told from any bytes, within the limits of looking`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzHeaders() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "image-headers"))") }
    }
}

private func fuzzJSON() throws {
    let samples = [
        #"{"input":{"n":1.5e3,"list":[1,-2,true,null,"\u00e9\ud83d\ude00 \\ \" \n"]},"parameters":{"topK":3},"files":[]}"#,
        #"[0,-0,1e-7,123456789012345678,18446744073709551615,0.1,1E+30,[[[[]]]],{"":{"a":{}}}]"#, "\u{FEFF} { \"a\" : \"日本\" } ", "\"x\"", "-1",
    ]
    let tokens = ["[", "]", "{", "}", "\\u", "\\ud800", "\"", ",", ":", "1e999", "-", "null", "tru", "\u{0}", String(repeating: "[", count: 200)]
    try Fuzzing("json", samples: samples.map { Array($0.utf8) }, tokens: tokens, inputs: 20_000).run { input, _ in
        let value: JSONValue
        do {
            value = try MillraceJSON.decode(JSONValue.self, bytes: input)
        } catch is DecodingError { return }
        let raw = try JSONReader.read(input) { try $0.rawText() }
        guard try MillraceJSON.decode(JSONValue.self, from: raw) == value else { throw Fuzzing.Finding("the text of a value is another value") }
        let written = try MillraceJSON.bytes(of: value)
        guard try MillraceJSON.decode(JSONValue.self, bytes: written) == value else { throw Fuzzing.Finding("what is written is another value") }
    }
}

private func fuzzHeaders() throws {
    let heads: [[UInt8]] = [
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 1, 0, 0, 0, 2, 0, 8, 2, 0, 0, 0],
        [0xFF, 0xD8, 0xFF, 0xE0, 0, 6, 1, 2, 0, 0, 0xFF, 0xFF, 0xC0, 0, 17, 8, 0, 9, 0, 7, 3, 1, 0x22, 0],
        head("GIF89a", [7, 0, 9, 0, 0xF7, 0, 0]),
        head("RIFF\u{24}\0\0\0WEBPVP8X", [10, 0, 0, 0, 0x10, 0, 0, 0, 6, 0, 0, 8, 0, 0]),
        head("RIFF\u{24}\0\0\0WEBPVP8L", [10, 0, 0, 0, 0x2F, 6, 0, 2, 0]),
        head("II*\0", [8, 0, 0, 0, 2, 0, 0, 1, 3, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 1, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
        head("MM\0*", [0, 0, 0, 8, 0, 2, 1, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 7, 1, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0]),
        head("BM", [70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 7, 0, 0, 0, 0xF7, 0xFF, 0xFF, 0xFF, 1, 0, 24, 0]),
        head("%PDF-1.7\n%%EOF\n"), head("PK\u{3}\u{4}word/document.xml"), head("a,b\n1,2\n"), head(#"{"a":[1]}"#),
    ]
    let tokens = ["GIF8", "RIFF", "WEBP", "VP8 ", "VP8L", "VP8X", "II*\0", "MM\0*", "BM", "%PDF-", "\u{FEFF}", "<?xml", "ftyp"]
    try Fuzzing("image-headers", samples: heads, tokens: tokens, inputs: 20_000).run { input, random in
        for isWhole in [true, false] {
            let type = MediaSniffer.sniff(input, whole: isWhole)
            guard let known = ContentType(type), known.essence == type else { throw Fuzzing.Finding("\(type) is no type") }
        }
        var (reader, step, steps) = (ImageHeaderReader(), ImageHeaderReader.first, 0)
        while case .read(let offset, let count) = step {
            guard offset >= 0, (1...4096).contains(count), steps < 65 else { throw Fuzzing.Finding("it asks for \(count) bytes at \(offset)") }
            let start = Int(min(offset, Int64(input.count)))
            step = reader.step(Array(input[start..<min(start + count, input.count)]))
            steps += 1
        }
        if case .found(let header) = step {
            guard header.width > 0, header.height > 0, header.pixels > 0 else { throw Fuzzing.Finding("an image of \(header)") }
        }
        _ = PDFTrailer.isComplete(tail: input)
        // Header fields are read where a request begins.
        let text = String(decoding: input, as: UTF8.self)
        if let type = ContentType(text) { _ = ContentType.pattern(text, covers: type.essence) }
        _ = HeaderParameters.split(text + "; a=\"\(random.next())")
    }
}

private func head(_ text: String, _ rest: [UInt8] = []) -> [UInt8] { Array(text.utf8) + rest }
