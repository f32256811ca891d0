import MillraceCore
import MillraceTestSupport
import Testing

@Suite("Media")
struct MediaTests {
    static let textSamples: [(String, String)] = [
        ("{\"a\": [1, 2]}", "application/json"), ("[1]", "application/json"), (" \n{}", "application/json"), ("{not json}", "text/plain"),
        ("[link](x)\n[other](y)", "text/plain"), ("text,stars\ngood,5\n", "text/csv"), ("a;b\n1;2", "text/csv"), ("a\tb\n1\t2\n", "text/csv"),
        ("a,b\n\"x,\ny\",2\n", "text/csv"), ("Hello, world\nno comma here\n", "text/plain"), ("one line, only", "text/plain"), ("word", "text/plain"),
        ("\u{FEFF}a,b\r\n1,2\r\n", "text/csv"), ("grüße", "text/plain"), ("%PDF-1.7\n", "application/pdf"), ("junk\n%PDF-1.4", "application/pdf"),
        ("GIF89a......", "image/gif"), ("RIFF....WEBPVP8 ", "image/webp"), ("RIFF....WAVEfmt ", "audio/wav"), ("....ftypheic....", "image/heic"),
        ("BMW,price\nX5,3\n", "text/csv"), ("PAR1....", "application/vnd.apache.parquet"),
    ]

    @Test("Text formats and formats with a mark are told by their bytes", arguments: Self.textSamples)
    func texts(content: String, type: String) {
        #expect(MediaSniffer.sniff(content.utf8, whole: true) == type)
    }

    @Test("Binary formats, noise and other encodings are told by their bytes")
    func binaries() {
        func sniff(_ bytes: [UInt8]) -> String { MediaSniffer.sniff(bytes, whole: true) }
        #expect(sniff(Samples.png()) == "image/png" && sniff(Samples.jpeg()) == "image/jpeg" && sniff(Samples.pdf) == "application/pdf")
        #expect(sniff([0x49, 0x49, 0x2A, 0, 8, 0, 0, 0]) == "image/tiff" && sniff([0x50, 0x4B, 3, 4]) == "application/zip")
        #expect(sniff([0, 1, 2, 3]) == "application/octet-stream" && sniff([]) == "application/octet-stream")
        #expect(sniff([0xFF, 0xFE, 0x61, 0]) == "text/plain")
        // "größe,zahl" in ISO 8859-1, as spreadsheets write it.
        #expect(sniff(Array("gr".utf8) + [0xF6, 0xDF] + Array("e,zahl\nrot,12345\nblau,67890\n".utf8)) == "text/csv")
        #expect(sniff((0..<100).map { UInt8(128 + $0) }) == "application/octet-stream")
    }

    @Test("A beginning that cuts a character, a row or a value is told as well as the whole")
    func prefixes() {
        let csv = Array("name,city\nJosé,Köln\n".utf8)
        for count in 14...csv.count { #expect(MediaSniffer.sniff(csv.prefix(count), whole: false) != "application/octet-stream", "\(count)") }
        #expect(MediaSniffer.sniff("{\"a\": \"unfinis".utf8, whole: false) == "application/json")
        #expect(MediaSniffer.sniff("[{\"a\": 1}, {\"a\"".utf8, whole: false) == "application/json")
        #expect(MediaSniffer.sniff("a,b\n1,2\n3,4\n5".utf8, whole: false) == "text/csv")
    }

    /// Reads a header out of a whole file.
    static func header(_ file: [UInt8]) -> ImageHeader? {
        var reader = ImageHeaderReader()
        var step = ImageHeaderReader.first
        while case .read(let offset, let count) = step {
            guard offset >= 0, offset < Int64(file.count) else { return nil }
            step = reader.step(Array(file[Int(offset)..<min(Int(offset) + count, file.count)]))
        }
        return if case .found(let header) = step { header } else { nil }
    }

    @Test("The size of an image is read from its header in each format")
    func headers() {
        #expect(Self.header(Samples.png(width: 70_000, height: 9)) == ImageHeader(width: 70_000, height: 9))
        #expect(Self.header(Samples.jpeg()) == ImageHeader(width: 640, height: 480))
        #expect(Self.header(Samples.jpeg(width: 9, height: 8, padding: 300_000)) == ImageHeader(width: 9, height: 8))
        #expect(Self.header(Array("GIF89a".utf8) + [2, 1, 3, 0]) == ImageHeader(width: 258, height: 3))
        let lossy = Array("RIFF\0\0\0\0WEBPVP8 ".utf8) + [0, 0, 0, 0, 0, 0, 0, 0x9D, 0x01, 0x2A, 0x40, 0x01, 0xF0, 0x00]
        #expect(Self.header(lossy) == ImageHeader(width: 320, height: 240))
        let lossless = Array("RIFF\0\0\0\0WEBPVP8L".utf8) + [0, 0, 0, 0, 0x2F, 0x3F, 0xC1, 0x3B, 0x00]
        #expect(Self.header(lossless) == ImageHeader(width: 320, height: 240))
        let extended = Array("RIFF\0\0\0\0WEBPVP8X".utf8) + [10, 0, 0, 0, 0, 0, 0, 0, 0x3F, 0x01, 0, 0xEF, 0, 0]
        #expect(Self.header(extended) == ImageHeader(width: 320, height: 240))
        let bmp = Array("BM".utf8) + Array(repeating: 0, count: 12) + [40, 0, 0, 0, 5, 0, 0, 0, 0xFD, 0xFF, 0xFF, 0xFF]
        #expect(Self.header(bmp) == ImageHeader(width: 5, height: 3))
        // Directory behind the pixels; width as a short, height as a long.
        let tiff: [UInt8] = [0x4D, 0x4D, 0, 42, 0, 0, 1, 0] + Array(repeating: 0, count: 248)
            + [0, 2, 1, 0, 0, 3, 0, 0, 0, 1, 0, 7, 0, 0, 1, 1, 0, 4, 0, 0, 0, 1, 0, 1, 0, 0]
        #expect(Self.header(tiff) == ImageHeader(width: 7, height: 65_536))
        #expect(ImageHeader(width: .max, height: 2).pixels == .max)
    }

    @Test("Damaged headers end without a size, never in a trap", arguments: 0..<300)
    func damaged(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let files = [Samples.png(), Samples.jpeg(padding: 100), Array("RIFF\0\0\0\0WEBPVP8X".utf8) + Array(repeating: 9, count: 20), [0x49, 0x49, 0x2A, 0, 8, 0, 0, 0, 9, 0, 1, 1]]
        var file = files.randomElement(using: &random)!
        for _ in 0..<4 { file[Int.random(in: 0..<file.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
        file.removeLast(Int.random(in: 0..<file.count, using: &random))
        _ = Self.header(file)
        _ = MediaSniffer.sniff(file, whole: Bool.random(using: &random))
    }

    @Test("Content types and their parameters are read as RFC 9110 has them")
    func contentTypes() throws {
        let type = try #require(ContentType("Multipart/Form-Data; charset=utf-8; Boundary=\"a;b \\\"c\\\"\" ; x"))
        #expect(type.essence == "multipart/form-data" && type.parameters == ["charset": "utf-8", "boundary": "a;b \"c\""])
        for bad in ["", "text", "text/", "/plain", "a/b/c", "te xt/plain", "text/plain, text/html"] { #expect(ContentType(bad) == nil, "\(bad)") }
        #expect(ContentType.pattern("image/*", covers: "image/png") && !ContentType.pattern("image/*", covers: "imagex/png"))
        #expect(ContentType.pattern("*/*", covers: "a/b") && ContentType.pattern("Text/CSV", covers: "text/csv"))
    }

    @Test("A PDF has its end when one of its marks is near it")
    func pdf() {
        #expect(PDFTrailer.isComplete(tail: Samples.pdf))
        #expect(PDFTrailer.isComplete(tail: Samples.pdf + Array(repeating: 0, count: 1000)))
        #expect(!PDFTrailer.isComplete(tail: Samples.pdf.prefix(30)))
    }
}
