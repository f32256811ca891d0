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

extension RGBImage {
    /// The image as planes, channel by channel: `3 * height * width` values in the order [3, height, width].
    public func planes(_ normalization: ChannelNormalization) -> [Float] {
        let tables = (0..<3).map { channel in
            (0..<256).map { (Float($0) - normalization.mean[channel]) / normalization.scale[channel] }
        }
        let count = width * height
        return withPixels { pixels in
            [Float](unsafeUninitializedCapacity: count * 3) { planes, initialized in
                for channel in 0..<3 {
                    tables[channel].withUnsafeBufferPointer { table in
                        for index in 0..<count { planes[channel * count + index] = table[Int(pixels[index * 3 + channel])] }
                    }
                }
                initialized = count * 3
            }
        }
    }
}
