import Foundation
import MillraceCore
import Testing

@Suite("A JSON value")
struct JSONValueTests {
    @Test("keeps every kind of value through text")
    func roundTrip() throws {
        let value: JSONValue = [
            "null": nil, "yes": true, "no": false, "whole": 9_007_199_254_740_993, "lowest": .integer(.min), "part": 1.5,
            "text": "ä/\"\n", "list": [1, "two", [nil]], "empty": [:], "none": [],
        ]
        #expect(try MillraceJSON.decode(JSONValue.self, from: MillraceJSON.encode(value)) == value)
    }

    @Test("tells booleans from numbers")
    func booleans() throws {
        #expect(try MillraceJSON.decode([JSONValue].self, from: "[true, 1, 0, 1.0, 1e3, 0.5]").map(\.typeName)
            == ["boolean", "integer", "integer", "integer", "integer", "number"])
    }

    @Test("is written with sorted keys and plain slashes")
    func text() throws {
        #expect(try MillraceJSON.string(["b": "a/b", "a": 1] as JSONValue) == #"{"a":1,"b":"a/b"}"#)
    }

    @Test("gives itself as what it is, and as nothing else")
    func access() {
        let value: JSONValue = ["n": 3, "x": 3.0, "y": 3.5, "s": "3", "b": true, "a": [1]]
        #expect(value["n"]?.integerValue == 3)
        #expect(value["x"]?.integerValue == 3)
        #expect(value["y"]?.integerValue == nil)
        #expect(value["y"]?.doubleValue == 3.5)
        #expect(value["n"]?.doubleValue == 3)
        #expect(value["s"]?.integerValue == nil)
        #expect(value["s"]?.stringValue == "3")
        #expect(value["b"]?.boolValue == true)
        #expect(value["a"]?.arrayValue == [1])
        #expect(value["missing"] == nil)
        #expect(value.objectValue?.count == 6)
        #expect((JSONValue.string("x"))["n"] == nil)
    }
}
