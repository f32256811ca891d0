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
    private let free: (UnsafeMutableRawPointer?) -> Void

    init(byteCount: Int) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
        self.buffer = buffer
        free = { _ in buffer.deallocate() }
    }

    /// Takes over memory that a C library made, with the call that gives it back.
    init(owned pixels: UnsafeMutablePointer<UInt8>, byteCount: Int, free: @escaping (UnsafeMutableRawPointer?) -> Void) {
        buffer = UnsafeMutableRawBufferPointer(start: pixels, count: byteCount)
        self.free = free
    }

    deinit { free(buffer.baseAddress) }
}
