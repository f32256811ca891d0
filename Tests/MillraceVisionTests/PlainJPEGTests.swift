import Foundation
import MillraceTestSupport
import Testing

@testable import MillraceVision

@Suite("Plain JPEG files")
struct PlainJPEGTests {
    private func plain(_ data: Data) -> RGBImage? { data.withUnsafeBytes { PlainJPEG.decode($0, pixelsMax: 100_000_000) } }

    @Test("go the short way, turned and CMYK ones do not", arguments: [
        ("gray.jpg", true), ("progressive.jpg", true), ("orientation1.jpg", true), ("orientation2.jpg", false), ("orientation6.jpg", false),
        ("orientation8.jpg", false), ("cmyk.jpg", false),
    ])
    func ways(name: String, isPlain: Bool) throws {
        #expect((plain(try Data(contentsOf: fixture(name))) != nil) == isPlain)
    }

    @Test("that are too large or cut off do not")
    func refused() throws {
        let whole = try Data(contentsOf: fixture("progressive.jpg"))
        #expect(whole.withUnsafeBytes { PlainJPEG.decode($0, pixelsMax: 100) } == nil)
        for length in stride(from: 0, to: whole.count - 1, by: 7) { #expect(plain(whole.prefix(length)) == nil, "\(length)") }
    }

    @Test("with any bytes in their segments end neither the process nor in a picture of another size")
    func hostile() throws {
        let whole = try Data(contentsOf: fixture("orientation6.jpg"))
        var random = SplitMix(state: 7)
        for _ in 0..<3000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 0..<min(200, bytes.count), using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if let image = plain(bytes) { #expect(image.pixels.count == image.width * image.height * 3) }
        }
    }
}

/// The same bytes in every run.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("Sizes of images")
struct ResizingTests {
    private static func gradient(_ width: Int, _ height: Int) -> RGBImage {
        RGBImage(width: width, height: height, pixels: (0..<(width * height * 3)).map { UInt8(($0 / 3 % width * 37 + $0 / 3 / width * 11 + $0 % 3 * 90) % 256) })
    }

    /// OpenCV 5.0.0: `cv2.resize(image, (5, 4), interpolation=cv2.INTER_LINEAR)` of ``gradient(_:_:)`` with 7 x 3 pixels.
    @Test("are changed as OpenCV does")
    func bilinear() {
        let expected: [UInt8] = [
            7, 97, 187, 59, 149, 239, 111, 201, 35, 163, 150, 87, 215, 49, 139, 14, 104, 194, 66, 156,
            150, 118, 208, 42, 170, 157, 94, 221, 55, 145, 23, 113, 203, 74, 164, 101, 126, 216, 50, 178,
            108, 102, 229, 63, 153, 29, 119, 209, 81, 171, 107, 133, 223, 57, 185, 19, 109, 237, 71, 161,
        ]
        let found = Self.gradient(7, 3).resizedBilinearly(width: 5, height: 4).pixels
        #expect(zip(found, expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 }, "\(found)")
    }

    @Test("are halved by the mean of squares, those at the edge of fewer")
    func reduced() {
        let image = RGBImage(width: 3, height: 2, pixels: [0, 0, 0, 10, 20, 30, 100, 100, 100, 20, 40, 60, 30, 60, 90, 50, 50, 50])
        #expect(image.reduced(by: 2).pixels == [15, 30, 45, 75, 75, 75])
        #expect(image.reduced(by: 1).pixels == image.pixels)
    }

    @Test("grow by rows like those at the edge")
    func extended() {
        let image = RGBImage(width: 1, height: 2, pixels: [1, 2, 3, 4, 5, 6])
        #expect(image.extended(above: 1, below: 2).pixels == [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6])
    }
}
