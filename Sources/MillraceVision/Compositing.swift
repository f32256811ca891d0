/// Transparency over white, in integers, equal to Pillow's `Image.alpha_composite` over an opaque white image.
///
/// Source of the arithmetic: Pillow, `src/libImaging/AlphaComposite.c` (a blend factor of 15 bits, and a division by
/// 255 as two shifts).
enum Compositing {
    private static let precisionBits: UInt32 = 7

    /// Turns `pixelCount` pixels of four bytes, with straight alpha, into as many of three bytes, in place.
    static func layOnWhite(_ buffer: UnsafeMutableRawBufferPointer, pixelCount: Int) {
        precondition(buffer.count >= pixelCount * 4, "four bytes a pixel")
        guard let bytes = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        for pixel in 0..<pixelCount {
            let source = bytes + pixel * 4
            let target = bytes + pixel * 3
            let alpha = UInt32(source[3])
            for channel in 0..<3 {
                target[channel] = alpha == 255 ? source[channel] : blend(source[channel], alpha)
            }
        }
    }

    private static func blend(_ value: UInt8, _ alpha: UInt32) -> UInt8 {
        guard alpha > 0 else { return 255 }
        // Over an opaque ground the outcome's alpha is 255 exactly.
        let weight = alpha * 255 * 255 * (1 << precisionBits) / (255 * 255)
        let ground = 255 * (1 << precisionBits) - weight
        let sum = UInt32(value) * weight + 255 * ground + (0x80 << precisionBits)
        return UInt8(truncatingIfNeeded: (((sum >> 8) + sum) >> 8) >> precisionBits)
    }
}
