import Foundation
import MillraceCore
import MillraceTestSupport
import MillraceVision
import Testing

@Suite struct VisionFuzzTests {
    @Test func `an image is refused with a known code, or has as many pixels as it says and no more than allowed`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzImages() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "images"))") }
    }

    /// What a document does to the process that reads it is no finding, see ADR 0030; what it does to who asked is.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: millrace.path), "the binary is built with the tests"))
    func `a PDF file is refused with a known code, or gives pages no larger than allowed`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzDocuments() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "pdf"))") }
    }
}

private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
private let millrace = root.appending(path: ".build/debug/millrace")

private func fuzzDocuments() throws {
    let small = """
        %PDF-1.4
        1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
        2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
        3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>/XObject<</I 6 0 R>>>>>>endobj
        4 0 obj<</Length 58>>stream
        BT /F 12 Tf 10 50 Td (Hello) Tj ET q 90 0 0 90 0 0 cm /I Do Q
        endstream endobj
        5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
        6 0 obj<</Type/XObject/Subtype/Image/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceGray/Length 4>>stream
        abcd
        endstream endobj
        trailer<</Root 1 0 R/Size 7>>
        %%EOF
        """
    let tokens = ["obj", "endobj", "stream", "/Filter/FlateDecode", "/Filter/DCTDecode", "/Count 99999999", "/Width 60000", "/MediaBox[0 0 1e9 1e9]", "2 0 R", "/Encrypt 1 0 R", "<<", ">>", "[", "]", "9999999999 cm", "/I Do", "q "]
    let pixelsMax: Int64 = 500_000
    let files = try TemporaryDirectory("millrace-fuzz")
    let command = RasterizerProcess.Command(executable: millrace.path, arguments: ["rasterize"])
    try Fuzzing("pdf", samples: [Array(small.utf8)], tokens: tokens, inputs: 25).run { input, random in
        try Data(input).write(to: URL(filePath: files.file("document.pdf")))
        do {
            let document = try RasterizerProcess(command, path: files.file("document.pdf"))
            guard document.pageCount >= 0 else { throw Fuzzing.Finding("\(document.pageCount) pages") }
            for page in 0..<min(document.pageCount, 2) {
                let image = try document.page(page, dpi: 50 + Double(random.next() % 150), pixelsMax: pixelsMax)
                guard image.width > 0, image.height > 0, Int64(image.width) * Int64(image.height) <= pixelsMax else {
                    throw Fuzzing.Finding("a page of \(image.width) x \(image.height) pixels")
                }
            }
        } catch let failure as JobFailure where pdfCodes.contains(failure.code) {}
    }
}

private let pdfCodes: Set<String> = ["empty_file", "image_too_large", "pdf_damaged", "pdf_encrypted"]

private let imageCodes: Set<String> = ["empty_file", "unsupported_media_type", "image_too_large", "image_damaged"]

private func fuzzImages() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        .filter { name in [".png", ".jpg", ".webp", ".tif", ".tiff"].contains { name.hasSuffix($0) } }
    let samples = try names.map { Array(try Data(contentsOf: folder.appending(path: $0))) }
    let gif = joined(Array("GIF89a".utf8), [1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B])
    let tiff = joined(
        Array("II*\0".utf8), [8, 0, 0, 0, 8, 0], tag(256, 3), tag(257, 2), tag(258, 8), tag(259, 1), tag(262, 1), tag(273, 110), tag(278, 2),
        tag(279, 6), [0, 0, 0, 0], [1, 2, 3, 4, 5, 6])
    let tokens = ["Exif\0\0", "II*\0", "MM\0*", "IDAT", "IHDR", "PLTE", "tRNS", "iCCP", "acTL", "VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "\u{FF}"]
    let pixelsMax: Int64 = 200_000
    let decoder = ImageDecoder(pixelsMax: pixelsMax)
    let files = try TemporaryDirectory("millrace-fuzz")
    try Fuzzing("images", samples: samples + [gif, tiff], tokens: tokens, inputs: 1_500).run { input, random in
        do {
            let image = try decoder.decode(Data(input), page: Int(random.next() % 8 == 0 ? random.next() % 3 : 0))
            guard image.width > 0, image.height > 0, Int64(image.width) * Int64(image.height) <= pixelsMax else {
                throw Fuzzing.Finding("\(image.width) x \(image.height) pixels")
            }
            guard image.pixels.count == image.width * image.height * 3 else { throw Fuzzing.Finding("pixels that do not fit the size") }
            let box = CropBox.center(ofWidth: image.width, height: image.height, fraction: 0.875)
            guard image.resampled(box, width: 32, height: 32).pixels.count == 32 * 32 * 3 else { throw Fuzzing.Finding("a crop of another size") }
        } catch let failure as JobFailure where imageCodes.contains(failure.code) {}
        guard random.next() % 8 == 0 else { return }
        try Data(input).write(to: URL(filePath: files.file("image")))
        do {
            guard try decoder.pageCount(path: files.file("image")) >= 1 else { throw Fuzzing.Finding("an image without images") }
        } catch let failure as JobFailure where imageCodes.contains(failure.code) {}
    }
}

/// One number in a TIFF directory.
private func tag(_ tag: UInt16, _ value: UInt32) -> [UInt8] {
    func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    return joined(little(tag), little(UInt16(4)), little(UInt32(1)), little(value))
}

private func joined(_ parts: [UInt8]...) -> [UInt8] { parts.flatMap { $0 } }
