/// `(value - mean) / scale` for each channel, with values from 0 to 255.
public struct ChannelNormalization: Sendable, Equatable {
    /// Red, green, blue.
    public var mean: [Float]
    /// Red, green, blue; none is 0.
    public var scale: [Float]

    public init(mean: [Float], scale: [Float]) {
        precondition(mean.count == 3 && scale.count == 3 && !scale.contains(0), "three channels, and no scale of 0")
        self.mean = mean
        self.scale = scale
    }
}

/// Which channel comes first in a model's input.
public enum ChannelOrder: String, Sendable, CaseIterable { case rgb, bgr }

extension RGBImage {
    /// The image as planes, channel by channel: `3 * height * width` values in the order [3, height, width].
    public func planes(_ normalization: ChannelNormalization, order: ChannelOrder = .rgb) -> [Float] {
        [Float](unsafeUninitializedCapacity: width * height * 3) { planes, initialized in
            writePlanes(normalization, order: order, rowStride: width, into: planes)
            initialized = width * height * 3
        }
    }

    /// The image pixel by pixel: `height * width * 3` values in the order [height, width, 3].
    public func interleaved(_ normalization: ChannelNormalization, order: ChannelOrder = .rgb) -> [Float] {
        let channels = order == .rgb ? [0, 1, 2] : [2, 1, 0]
        return withPixels { pixels in
            [Float](unsafeUninitializedCapacity: pixels.count) { values, initialized in
                for start in stride(from: 0, to: pixels.count, by: 3) {
                    for (place, channel) in channels.enumerated() {
                        values[start + place] = (Float(pixels[start + channel]) - normalization.mean[channel]) / normalization.scale[channel]
                    }
                }
                initialized = pixels.count
            }
        }
    }

    /// Writes the planes into memory of another width: `3 * height * rowStride` values, of which those right of the image stay as
    /// they are.
    public func writePlanes(
        _ normalization: ChannelNormalization, order: ChannelOrder, rowStride: Int, into planes: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(rowStride >= width && planes.count >= rowStride * height * 3, "the planes must have room for the image")
        for plane in 0..<3 {
            let channel = order == .rgb ? plane : 2 - plane
            let table = (0..<256).map { (Float($0) - normalization.mean[channel]) / normalization.scale[channel] }
            table.withUnsafeBufferPointer { table in
                withPixels { pixels in
                    for row in 0..<height {
                        let (source, target) = (row * width * 3 + channel, (plane * height + row) * rowStride)
                        for column in 0..<width { planes[target + column] = table[Int(pixels[source + column * 3])] }
                    }
                }
            }
        }
    }
}
