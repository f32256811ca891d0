import Foundation
import MillraceCore
import MillraceTestSupport
import Testing

@Suite struct JSONWriterTests {
    @Test func `numbers are written as Foundation writes them`() throws {
        var random = SplitMix64(seed: 11)
        let special: [Double] = [0, -0.0, 1, -1, 0.1, 1e15, 1e16, 1e17, 1e21, 5e-324, .greatestFiniteMagnitude, 1.5e300, 123_456_789.125]
        let others = (0..<500).map { _ in Double(bitPattern: random.next()) }.filter(\.isFinite)
        for number in special + others {
            let value = JSONValue.number(number)
            #expect(try MillraceJSON.string(value) == String(decoding: JSONEncoder().encode(value), as: UTF8.self))
        }
    }

    @Test(arguments: ["", "plain", "\"\\/", "\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{10}\u{1f} ", "\u{7f}é日本😀\u{2028}", "a\"b\"c"])
    func `strings are written as Foundation writes them`(text: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        #expect(try MillraceJSON.string(JSONValue.string(text)) == String(decoding: encoder.encode(text), as: UTF8.self))
    }

    @Test func `commas stand between values and nowhere else`() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("a")
            writer.array([1, 2]) { $1.integer($0) }
            writer.key("b")
            writer.object { _ in }
            writer.key("c")
            writer.values(["[", "{", ":"])
            writer.key("d")
            writer.raw("[ {}, [] ]")
            writer.optional("e", String?.none)
            writer.optional("f", "x")
        }
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"a":[1,2],"b":{},"c":["[","{",":"],"d":[ {}, [] ],"f":"x"}"#)
    }

    @Test(arguments: [
        "{\"a\" 1}", "{\"a\":1,}", "[1,]", "[\"\u{1}\"]", "[\"\\ud800\"]", "[\"\\x\"]", "[01]", "[1e999]", "[tru]", "[nul]", "{a:1}", "[1",
        "", "1 2",
    ])
    func `what is skipped is checked as well`(text: String) {
        #expect(throws: DecodingError.self) { try JSONReader.read(text.utf8) { try $0.skip() } }
        #expect(throws: DecodingError.self) { try JSONReader.read(text.utf8) { try $0.rawText() } }
    }

    @Test func `text that is no UTF-8 is not skipped`() {
        let bytes: [UInt8] = [UInt8(ascii: "\""), 0xFF, UInt8(ascii: "\"")]
        #expect(throws: DecodingError.self) { try JSONReader.read(bytes) { try $0.skip() } }
    }

    @Test func `raw text is the value without the space around it`() throws {
        #expect(try JSONReader.read(" [1 , {\"a\": \"\\u0041\"}] \n".utf8) { try $0.rawText() } == "[1 , {\"a\": \"\\u0041\"}]")
    }

    @Test func `raw values are equal when what they say is`() {
        #expect(RawJSON(trusting: "{\"a\":1.0,\"b\":2}") == RawJSON(trusting: "{ \"b\": 2, \"a\": 1 }"))
        #expect(RawJSON(trusting: "1") != RawJSON(trusting: "2"))
        #expect(RawJSON(["b": 1, "a": "x"]).text == #"{"a":"x","b":1}"#)
    }
}
