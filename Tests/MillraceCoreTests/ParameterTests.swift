import MillraceCore
import Testing

@Suite("A model's parameters")
struct ParameterTests {
    let manifest = ModelManifest(
        name: "ocr", runner: .onnx,
        parameters: [
            "language": ParameterDeclaration(type: .string, default: "en", enum: ["en", "de"]),
            "pages": ParameterDeclaration(type: .integer, min: 1, max: 200),
            "threshold": ParameterDeclaration(type: .number, min: 0, max: 1),
            "upright": ParameterDeclaration(type: .boolean, default: false),
        ])

    @Test("are filled with their defaults")
    func defaults() throws {
        #expect(try manifest.checkedParameters([:]) == ["language": "en", "upright": false])
    }

    @Test("are read from form fields as the type that is declared")
    func forms() throws {
        let given: [String: JSONValue] = ["pages": "12", "threshold": "0.5", "upright": "true", "language": "de"]
        #expect(try manifest.checkedParameters(given) == ["pages": 12, "threshold": 0.5, "upright": true, "language": "de"])
    }

    @Test("take a whole number for a number and a number without fraction for a whole one")
    func numbers() throws {
        #expect(try manifest.checkedParameters(["pages": 3.0])["pages"] == 3)
        #expect(try manifest.checkedParameters(["threshold": 1])["threshold"]?.doubleValue == 1)
    }

    @Test(
        "are refused outside their type and bounds",
        arguments: [
            ("pages", 0), ("pages", 201), ("pages", 1.5), ("pages", "many"), ("threshold", 1.01), ("threshold", "nan"),
            ("threshold", "inf"), ("upright", 1), ("upright", "yes"), ("language", "fr"), ("language", 7), ("pages", nil),
        ] as [(String, JSONValue)])
    func invalid(name: String, value: JSONValue) {
        #expect { try manifest.checkedParameters([name: value]) } throws: {
            ($0 as? MillraceError)?.code == .invalidParameter && ($0 as? MillraceError)?.message.contains(name) == true
        }
    }

    @Test("that are unknown are refused with the nearest known name")
    func unknown() {
        #expect { try manifest.checkedParameters(["langauge": "de"]) } throws: {
            $0 as? MillraceError
                == MillraceError(.unknownParameter, "unknown parameter \"langauge\"", hint: "did you mean \"language\"?")
        }
        #expect { try ModelManifest(name: "x", runner: .onnx).checkedParameters(["a": 1]) } throws: {
            ($0 as? MillraceError)?.hint == "this endpoint takes no parameters"
        }
    }

    @Test("that are required must be given")
    func required() {
        var manifest = manifest
        manifest.parameters["prompt"] = ParameterDeclaration(type: .string, description: "what to look for", required: true)
        #expect { try manifest.checkedParameters([:]) } throws: {
            ($0 as? MillraceError)?.code == .missingParameter && ($0 as? MillraceError)?.hint == "what to look for"
        }
    }
}

@Suite("Spelling")
struct SpellingTests {
    @Test(
        "finds what was meant",
        arguments: [
            ("callbck", "callback"), ("Callback", "callback"), ("retires", "retries"), ("limts", "limits"), ("zzz", nil), ("", nil),
            ("x", nil),
        ] as [(String, String?)])
    func nearest(word: String, expected: String?) {
        #expect(Spelling.nearest(to: word, in: ["callback", "retries", "limits", "scaling"]) == expected)
    }

    @Test("prefers the nearer word, and among equals the first in the alphabet")
    func ties() {
        #expect(Spelling.nearest(to: "bat", in: ["cat", "bath", "rat"]) == "bath")
        #expect(Spelling.nearest(to: "limit", in: ["limits", "limit"]) == "limit")
    }
}
