import CVips

/// An upright image in sRGB: `height` rows of `width` pixels, each three bytes, red, green, blue.
public struct RGBImage: Sendable {
    public let width: Int
    public let height: Int
    private let storage: PixelStorage

    /// - Parameter pixels: `width * height * 3` bytes.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(pixels.count == width * height * 3, "an image's pixels must fit its size")
        self.init(width: width, height: height) { $0.copyBytes(from: pixels) }
    }

    /// An image of which `fill` writes every byte.
    init(width: Int, height: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        precondition(width > 0 && height > 0, "an image has at least one pixel")
        let storage = PixelStorage(byteCount: width * height * 3)
        fill(storage.buffer)
        self.init(width: width, height: height, storage: storage)
    }

    init(width: Int, height: Int, storage: PixelStorage) {
        self.width = width
        self.height = height
        self.storage = storage
    }

    /// Calls `body` with the bytes, row by row without gaps.
    public func withPixels<Value>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Value) rethrows -> Value {
        try withExtendedLifetime(storage) {
            try body(UnsafeBufferPointer(rebasing: storage.buffer.bindMemory(to: UInt8.self).prefix(width * height * 3)))
        }
    }

    /// A copy of the bytes.
    public var pixels: [UInt8] { withPixels { Array($0) } }
}

/// Memory that a decoder filled, without a copy.
///
/// Unchecked: written only before an ``RGBImage`` has it.
final class PixelStorage: @unchecked Sendable {
    let buffer: UnsafeMutableRawBufferPointer
    private let isDecoders: Bool

    init(byteCount: Int) {
        buffer = .allocate(byteCount: byteCount, alignment: 16)
        isDecoders = false
    }

    /// Takes over what `millrace_image_decode` gave.
    init(decoded: UnsafeMutablePointer<UInt8>, byteCount: Int) {
        buffer = UnsafeMutableRawBufferPointer(start: decoded, count: byteCount)
        isDecoders = true
    }

    deinit {
        if isDecoders { millrace_pixels_free(buffer.baseAddress) } else { buffer.deallocate() }
    }
}
