import Foundation
import MillraceCore
import Testing

@Suite struct JSONNodeTests {
    @Test(arguments: [
        "{}", "[]", " [ 1 , 2.5 , -3.5e2 , 0 , -0.5 ] ", "\"\"", "null", "true", "{\"a\":{\"b\":[null,false,\"x\"]}}",
        "\"\\u00e9\\ud83d\\ude00\\n\\\\\\/\"", "\"日本語 é 😀\"", "9223372036854775807", "12345678901234567890", "[[[[[]]]]]", "\"a\\\"b\"",
    ])
    func `is what Foundation reads`(text: String) throws {
        let own: JSONValue = try MillraceJSON.decode(from: text)
        let reference = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        #expect(own == reference)
    }

    @Test(arguments: [
        "", "{", "[1,", "[1 2]", "{\"a\" 1}", "{a:1}", "tru", "nul", "01", "1.", "1e", "-", "+1", "\"\\x\"", "\"\\ud800\"", "\"a", "1e999",
        "{} {}", "[1,]", "\"\u{1}\"", "NaN",
    ])
    func `what is no JSON is refused with its place`(text: String) {
        #expect(throws: DecodingError.self) { try MillraceJSON.decode(JSONValue.self, from: text) }
    }

    @Test func `deep nesting is refused, and what is allowed takes no time worth naming`() throws {
        let deep = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        #expect(throws: DecodingError.self) { try MillraceJSON.decode(JSONValue.self, from: deep) }
        let chain = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        let chains = "[" + Array(repeating: chain, count: 5000).joined(separator: ",") + "]"
        // With a decoder that tries types, this megabyte took minutes.
        let value: JSONValue = try MillraceJSON.decode(from: chains)
        #expect(value.arrayValue?.count == 5000)
    }

    @Test func `types come back as they were written`() throws {
        struct Everything: Codable, Equatable {
            var duration: Duration = .seconds(15) + .nanoseconds(1)
            var big: UInt64 = .max
            var small: Int8 = -5
            var optional: String?
            var any: JSONValue = ["x": [1, 2.5, "y", nil]]
            var map = ["a": 1, "b": 2]
            var id = JobID(high: .max, low: 7)
            var detail = JobEvent.Detail.log(LogLine(level: .warning, message: "careful"))
        }
        let written = Everything()
        let read: Everything = try MillraceJSON.decode(from: MillraceJSON.encode(written))
        #expect(read == written)
    }

    @Test func `an error names the field`() throws {
        struct Inner: Codable { var number: Int }
        struct Outer: Codable { var list: [Inner] }
        let error = try #require(throws: DecodingError.self) {
            try MillraceJSON.decode(Outer.self, from: "{\"list\":[{\"number\":1},{\"number\":\"x\"}]}")
        }
        guard case .typeMismatch(_, let context) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue } == ["list", "1", "number"])
    }
}
