import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceGateway

@Suite("Multipart parser")
struct MultipartParserTests {
    struct Part: Equatable {
        var header: PartHeader
        var bytes: [UInt8] = []
    }

    /// Feeds a body in pieces and puts the parts together again.
    static func parse(_ body: [UInt8], boundary: String = "b0undary", pieces: [Int]) throws -> [Part] {
        var parser = try MultipartParser(boundary: boundary)
        var parts: [Part] = []
        var open = false
        var rest = body[...]
        var sizes = pieces.makeIterator()
        while true {
            switch try parser.next() {
            case .beginPart(let header):
                #expect(!open)
                open = true
                parts.append(Part(header: header))
            case .bytes(let bytes):
                #expect(open && !bytes.isEmpty)
                parts[parts.count - 1].bytes += bytes
            case .endPart:
                #expect(open)
                open = false
            case .end:
                return parts
            case .needsBytes:
                guard !rest.isEmpty else {
                    try parser.finish()
                    return parts
                }
                let size = min(max(sizes.next() ?? rest.count, 1), rest.count)
                parser.append(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
        }
    }

    static let form = """
        preamble\r
        --b0undary\r
        Content-Disposition: form-data; name="language"\r
        \r
        en\r
        --b0undary \t\r
        content-disposition: form-data; name="file"; filename="a \\"b\\".jpg"\r
        Content-Type: image/jpeg\r
        \r
        \r
        --b0undar\r
        --\r
        -\r
        --b0undary\r
        Content-Disposition: form-data; name="empty"; filename=""\r
        \r
        \r
        --b0undary--\r
        epilogue
        """
    static let parts = [
        Part(header: PartHeader(name: "language"), bytes: Array("en".utf8)),
        Part(header: PartHeader(name: "file", filename: "a \"b\".jpg", contentType: "image/jpeg"), bytes: Array("\r\n--b0undar\r\n--\r\n-".utf8)),
        Part(header: PartHeader(name: "empty", filename: "")),
    ]

    @Test("A form is the same however its bytes are cut in two")
    func everySplit() throws {
        let body = Array(Self.form.utf8)
        for cut in 0...body.count { #expect(try Self.parse(body, pieces: [cut]) == Self.parts, "cut at \(cut)") }
    }

    @Test("A form may come byte by byte")
    func byteByByte() throws {
        let body = Array(Self.form.utf8)
        #expect(try Self.parse(body, pieces: Array(repeating: 1, count: body.count)) == Self.parts)
    }

    @Test("Random forms in random pieces come out as they went in", arguments: 0..<200)
    func random(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        // Bytes that look like pieces of a boundary.
        let alphabet = Array("\r\n-b0undary".utf8) + [0, 0xFF]
        let parts = (0..<Int.random(in: 0...5, using: &random)).map { index in
            var bytes = (0..<Int.random(in: 0...400, using: &random)).map { _ in alphabet.randomElement(using: &random)! }
            while String(decoding: bytes, as: UTF8.self).contains("--b0undary") { bytes.removeLast() }
            return Part(header: PartHeader(name: "p\(index)", filename: "f"), bytes: bytes)
        }
        var body: [UInt8] = []
        for part in parts {
            body += "--b0undary\r\nContent-Disposition: form-data; name=\"\(part.header.name)\"; filename=\"f\"\r\n\r\n".utf8
            body += part.bytes + "\r\n".utf8
        }
        body += "--b0undary--".utf8
        let pieces = body.map { _ in Int.random(in: 1...40, using: &random) }
        #expect(try Self.parse(body, pieces: pieces) == parts)
    }

    @Test("Random bytes end in an error, never in a trap", arguments: 0..<200)
    func noise(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let words = ["--b0undary", "\r\n", "--", "Content-Disposition: form-data; name=x", ":", " ", "\r\n\r\n", "x"]
        let body = (0..<60).flatMap { _ in Array(words.randomElement(using: &random)!.utf8) }
        let pieces = body.map { _ in Int.random(in: 1...9, using: &random) }
        _ = try? Self.parse(body, pieces: pieces)
    }

    @Test(
        "What is no form is refused",
        arguments: [
            "", "x", "--b0undary", "--b0undary\r\n", "--b0undary\r\n\r\nx\r\n--b0undary--",
            "--b0undary\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx", "--b0undaryx\r\n",
            "--b0undary\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--b0undary--",
            "--b0undary\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b0undary--",
            "--b0undary\r\nno colon\r\n\r\nx\r\n--b0undary--",
        ])
    func malformed(body: String) {
        let error = #expect(throws: MillraceError.self) { try Self.parse(Array(body.utf8), pieces: []) }
        #expect(error?.code == .malformedRequest)
    }

    @Test("A part may have no body and no empty line for it")
    func headerOnly() throws {
        let body = "--b0undary\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--b0undary--"
        for cut in 0...body.utf8.count {
            #expect(try Self.parse(Array(body.utf8), pieces: [cut]) == [Part(header: PartHeader(name: "a"))])
        }
    }

    @Test("Headers, preambles and the number of parts have limits")
    func limits() throws {
        let long = String(repeating: "a", count: 20_000)
        #expect(throws: MillraceError.self) { try Self.parse(Array("--b0undary\r\nX: \(long)".utf8), pieces: []) }
        #expect(throws: MillraceError.self) { try Self.parse(Array("--b0undary\r\nX: \(long)\r\n\r\n".utf8), pieces: []) }
        #expect(throws: MillraceError.self) { try Self.parse(Array(long.utf8), pieces: []) }
        let many = String(repeating: "--b0undary\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n", count: 300)
        let error = #expect(throws: MillraceError.self) { try Self.parse(Array(many.utf8), pieces: []) }
        #expect(error?.code == .tooManyFiles)
    }

    @Test("A file's name has no folders in it and is read in each of its forms")
    func filenames() throws {
        func name(_ disposition: String) throws -> String? {
            try PartHeader(Array("Content-Disposition: form-data; name=\"f\"; \(disposition)".utf8)).filename
        }
        #expect(try name(#"filename="../../etc/passwd""#) == "passwd")
        #expect(try name(#"filename="C:\fakepath\a.png""#) == "a.png")
        #expect(try name(#"filename="a%22b.png""#) == "a\"b.png")
        #expect(try name("filename=plain.txt") == "plain.txt")
        #expect(try name("filename=\"x\"; filename*=UTF-8''na%C3%AFve.txt") == "naïve.txt")
        #expect(try name("x=y") == nil)
        // A combining mark behind a delimiter, marks that turn the writing around, and names of folders.
        #expect(try name("filename=\"../a/\u{301}b\"") == "\u{301}b" && name("filename=\"a\"\u{301}; x=y") == "a")
        #expect(try name("filename=\"exe\u{202E}gpj\u{200B}.txt\"") == "exegpj.txt")
        #expect(try name("filename=\"a/..\"")?.isEmpty == true && name("filename=.")?.isEmpty == true)
    }
}
