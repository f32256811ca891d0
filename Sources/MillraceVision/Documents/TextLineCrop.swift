/// Maps one quadrilateral onto another as a camera does: straight lines stay straight.
struct PerspectiveMap {
    // x' = (a x + b y + c) / (g x + h y + 1), y' = (d x + e y + f) / (g x + h y + 1)
    private let a, b, c, d, e, f, g, h: Double

    /// From a rectangle at the origin to `corners`, clockwise from its upper left one.
    ///
    /// Source: Heckbert, Fundamentals of Texture Mapping and Image Warping, 1989, section 2.2.3.
    init(fromWidth width: Double, height: Double, to corners: [ImagePoint]) {
        precondition(corners.count == 4 && width > 0 && height > 0, "a quadrilateral has four corners, a rectangle a size")
        let (p0, p1, p2, p3) = (corners[0], corners[1], corners[2], corners[3])
        let (d1, d2) = (p1 - p2, p3 - p2)
        let sum = ImagePoint(x: p0.x - p1.x + p2.x - p3.x, y: p0.y - p1.y + p2.y - p3.y)
        let determinant = d1.cross(d2)
        // Of a parallelogram, and of corners in one line, there is no perspective.
        let (u, v) = determinant == 0 ? (0, 0) : (sum.cross(d2) / determinant, d1.cross(sum) / determinant)
        a = (p1.x - p0.x + u * p1.x) / width
        b = (p3.x - p0.x + v * p3.x) / height
        c = p0.x
        d = (p1.y - p0.y + u * p1.y) / width
        e = (p3.y - p0.y + v * p3.y) / height
        f = p0.y
        g = u / width
        h = v / height
    }

    func callAsFunction(_ point: ImagePoint) -> ImagePoint {
        let scale = 1 / (g * point.x + h * point.y + 1)
        return ImagePoint(x: (a * point.x + b * point.y + c) * scale, y: (d * point.x + e * point.y + f) * scale)
    }
}

extension RGBImage {
    /// The line of text in a region, made upright, with the given height and its own proportions. Tall regions are text that runs
    /// downwards; they are turned to the left.
    ///
    /// Sampled with the cubic kernel (a = -0.75) in one step; what lies outside of the image is as its edge.
    ///
    /// - Parameter widthMax: Lines that would be longer are squeezed.
    public func textLine(in region: TextRegion, height: Int, widthMax: Int = .max) -> RGBImage {
        let region = region.upright
        let size = region.size
        let width = min(max(1, Int((Double(height) * size.width / size.height).rounded(.up))), widthMax)
        let map = PerspectiveMap(fromWidth: Double(width), height: Double(height), to: region.corners)
        return RGBImage(width: width, height: height) { bytes in
            withPixels { pixels in
                let sampler = CubicSampler(pixels: pixels, width: self.width, height: self.height)
                for y in 0..<height {
                    for x in 0..<width {
                        // Corners are pixels: their middles are the ends of the line.
                        let place = map(ImagePoint(x: Double(x) + 0.5, y: Double(y) + 0.5))
                        let color = sampler.color(x: place.x - 0.5, y: place.y - 0.5)
                        let index = (y * width + x) * 3
                        (bytes[index], bytes[index + 1], bytes[index + 2]) = color
                    }
                }
            }
        }
    }

    /// The image turned by 180 degrees.
    public func turnedOver() -> RGBImage {
        RGBImage(width: width, height: height) { bytes in
            withPixels { pixels in
                let last = width * height - 1
                for index in 0...last {
                    for channel in 0..<3 { bytes[(last - index) * 3 + channel] = pixels[index * 3 + channel] }
                }
            }
        }
    }
}

/// Colours between pixels.
private struct CubicSampler {
    let pixels: UnsafeBufferPointer<UInt8>
    let width: Int
    let height: Int

    func color(x: Double, y: Double) -> (UInt8, UInt8, UInt8) {
        let (left, top) = (x.rounded(.down), y.rounded(.down))
        let (across, down) = (Self.weights(Float(x - left)), Self.weights(Float(y - top)))
        var sum = SIMD4<Float>()
        for row in 0..<4 {
            let line = min(max(Int(top) + row - 1, 0), height - 1) * width
            var part = SIMD4<Float>()
            for column in 0..<4 {
                let index = (line + min(max(Int(left) + column - 1, 0), width - 1)) * 3
                part += across[column] * SIMD4(Float(pixels[index]), Float(pixels[index + 1]), Float(pixels[index + 2]), 0)
            }
            sum += down[row] * part
        }
        func level(_ value: Float) -> UInt8 { UInt8(min(max(value, 0), 255) + 0.5) }
        return (level(sum[0]), level(sum[1]), level(sum[2]))
    }

    private static func weights(_ t: Float) -> SIMD4<Float> {
        let a: Float = -0.75
        func far(_ d: Float) -> Float { ((a * d - 5 * a) * d + 8 * a) * d - 4 * a }
        func near(_ d: Float) -> Float { ((a + 2) * d - (a + 3)) * d * d + 1 }
        return SIMD4(far(1 + t), near(t), near(1 - t), far(2 - t))
    }
}
