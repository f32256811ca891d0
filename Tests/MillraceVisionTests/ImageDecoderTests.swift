import Foundation
import MillraceCore
import MillraceVision
import Testing

let photosFolder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Examples/data/photos")

func fixture(_ name: String) throws -> URL {
    try #require(Bundle.module.resourceURL).appending(path: "Fixtures/\(name)")
}

struct ImageDecoderTests {
    private struct Reference: Decodable {
        var width: Int
        var height: Int
        var pixels: String
        var crop: String
    }

    let decoder = ImageDecoder(pixelsMax: 100_000_000)

    @Test func `pixels and crops equal Pillow's to the last bit`() throws {
        let references = try JSONDecoder().decode([String: Reference].self, from: Data(contentsOf: fixture("pillow.json")))
        #expect(references.count > 25)
        for (name, reference) in references {
            let odd = try fixture(name)
            let url = FileManager.default.fileExists(atPath: odd.path) ? odd : photosFolder.appending(path: name)
            let image = try decoder.decode(path: url.path)
            #expect(image.width == reference.width && image.height == reference.height, "\(name)")
            #expect(fnv(image.pixels) == reference.pixels, "\(name): pixels")
            let box = CropBox.center(ofWidth: image.width, height: image.height, fraction: 0.875)
            #expect(fnv(image.resampled(box, width: 224, height: 224).pixels) == reference.crop, "\(name): crop")
        }
    }

    @Test func `the middle of a photo is what torchvision cuts out of a resized one, by either filter`() throws {
        let references = try JSONDecoder().decode([String: [String: String]].self, from: Data(contentsOf: fixture("torchvision.json")))
        #expect(references.count == 6)
        for (name, hashes) in references {
            let image = try decoder.decode(path: photosFolder.appending(path: name).path)
            let box = CropBox.center(ofWidth: image.width, height: image.height, shorterSide: 256, size: 224)
            for filter in ResamplingFilter.allCases {
                #expect(fnv(image.resampled(box, width: 224, height: 224, filter: filter).pixels) == hashes[filter.rawValue], "\(name), \(filter)")
            }
        }
        let flat = CropBox.center(ofWidth: 100_000_000, height: 1, shorterSide: 300, size: 200)
        #expect(flat.right > flat.left && flat.right <= 100_000_000 && flat.bottom <= 1 && flat.bottom > flat.top)
    }

    @Test func `a CMYK photo becomes RGB`() throws {
        let image = try decoder.decode(path: fixture("cmyk.jpg").path)
        #expect(image.width == 53 && image.height == 37)
    }

    @Test(arguments: ["progressive.jpg", "rgba.png", "gray16.png", "lossy.webp", "lossless.webp", "orientation6.jpg"])
    func `a file that was cut off is damaged, wherever it was cut`(name: String) throws {
        let whole = try Data(contentsOf: fixture(name))
        for part in [0.02, 0.1, 0.3, 0.5, 0.8, 0.95] {
            let cut = whole.prefix(max(12, Int(Double(whole.count) * part)))
            #expect(failure(of: cut)?.code == "image_damaged", "\(name) at \(part)")
        }
    }

    @Test(arguments: ["china.jpg", "chelsea.png"])
    func `half a photo is damaged, not half gray`(name: String) throws {
        let whole = try Data(contentsOf: photosFolder.appending(path: name))
        #expect(failure(of: whole.prefix(whole.count / 2))?.code == "image_damaged")
    }

    @Test func `a PNG with wrong bytes in its middle is damaged`() throws {
        var bytes = try Data(contentsOf: photosFolder.appending(path: "chelsea.png"))
        bytes[bytes.count / 2] ^= 0xFF
        #expect(failure(of: bytes)?.code == "image_damaged")
    }

    @Test func `an image over the limit is refused from its header`() throws {
        let failure = failure(of: Self.pngHeader(width: 30_000, height: 30_000))
        #expect(failure?.code == "image_too_large")
        #expect(failure?.message.contains("30000 x 30000") == true)
        #expect(self.failure(of: Self.pngHeader(width: 0x7FFF_FFFF, height: 0x7FFF_FFFF)) != nil)
    }

    @Test func `what is no image is refused by its first bytes`() {
        #expect(failure(of: Data())?.code == "empty_file")
        #expect(failure(of: Data("GIF89a".utf8))?.code == "unsupported_media_type")
        #expect(failure(of: Data("<svg xmlns='http://www.w3.org/2000/svg'/>".utf8))?.code == "unsupported_media_type")
        #expect(failure(of: Data(repeating: 0, count: 1000))?.code == "unsupported_media_type")
        #expect(failure(of: Data([0xFF, 0xD8, 0xFF]))?.code == "image_damaged")
        let missing = #expect(throws: JobFailure.self) { try decoder.decode(path: "/nowhere.png") }
        #expect(missing?.code == "input_unavailable")
    }

    @Test func `mutated files never crash the decoder`() throws {
        var random = SeededGenerator(state: 42)
        for name in ["progressive.jpg", "cmyk.jpg", "rgba.png", "palette.png", "gray16.png", "lossy.webp", "alpha.webp", "orientation6.png"] {
            let whole = try Data(contentsOf: fixture(name))
            for _ in 0..<(Int(ProcessInfo.processInfo.environment["FUZZ_ROUNDS"] ?? "") ?? 40) {
                var bytes = Array(whole)
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
                guard let image = try? ImageDecoder(pixelsMax: 1_000_000).decode(Data(bytes)) else { continue }
                let box = CropBox.center(ofWidth: image.width, height: image.height, fraction: 0.875)
                #expect(image.resampled(box, width: 8, height: 8).pixels.count == 192)
            }
        }
    }

    @Test func `very long images can be resampled`() {
        for (width, height) in [(1, 1), (1, 100_000), (100_000, 1)] {
            let image = RGBImage(width: width, height: height, pixels: [UInt8](repeating: 9, count: width * height * 3))
            let box = CropBox.center(ofWidth: width, height: height, fraction: 0.875)
            #expect(image.resampled(box, width: 4, height: 4).pixels == [UInt8](repeating: 9, count: 48))
        }
        let box = CropBox.center(ofWidth: 100_000_000, height: 1, fraction: 0.875)
        #expect(box.right > box.left && box.bottom > box.top)
    }

    @Test func `planes are channel by channel`() {
        let image = RGBImage(width: 2, height: 1, pixels: [0, 127, 255, 10, 20, 30])
        let planes = image.planes(ChannelNormalization(mean: [0, 127, 0], scale: [1, 1, 255]))
        #expect(planes == [0, 10, 0, -107, 1, 30.0 / 255])
    }

    private func failure(of data: Data) -> JobFailure? {
        do {
            _ = try decoder.decode(data)
            return nil
        } catch {
            return error
        }
    }

    /// A PNG that says how big it is and holds nothing.
    private static func pngHeader(width: UInt32, height: UInt32) -> Data {
        func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        let chunk = Array("IHDR".utf8) + big(width) + big(height) + [8, 2, 0, 0, 0]
        let empty = Array("IDAT".utf8)
        let bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + big(13) + chunk + big(crc(chunk))
        return Data(bytes + big(0) + empty + big(crc(empty)))
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in (value >> 1) ^ (value & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
    }
}

private func fnv(_ bytes: [UInt8]) -> String {
    let hash = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    let text = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
