extension RGBImage {
    /// The image in another size, each pixel mixed of the four around its place, without a filter against aliasing.
    ///
    /// Equal to OpenCV's `cv2.resize(..., interpolation=INTER_LINEAR)` on 8 bits but for one level where that rounds the weights of a
    /// row and of a column together: weights are fixed-point numbers of 11 bits.
    public func resizedBilinearly(width newWidth: Int, height newHeight: Int) -> RGBImage {
        guard newWidth != width || newHeight != height else { return self }
        let columns = LinearSteps(from: width, to: newWidth)
        let rows = LinearSteps(from: height, to: newHeight)
        return RGBImage(width: newWidth, height: newHeight) { target in
            withPixels { pixels in
                var (upper, lower) = (StretchedRow(newWidth), StretchedRow(newWidth))
                for row in 0..<newHeight {
                    let first = rows.starts[row]
                    // Rows that follow each other mostly share their sources.
                    if upper.number != first, lower.number == first { swap(&upper, &lower) }
                    upper.fill(with: first, of: pixels, width: width, columns)
                    lower.fill(with: min(first + 1, height - 1), of: pixels, width: width, columns)
                    Self.mix(upper, lower, rows.weights[row], into: target, at: row * newWidth * 3)
                }
            }
        }
    }

    private static func mix(
        _ upper: StretchedRow, _ lower: StretchedRow, _ weight: Int32, into target: UnsafeMutableRawBufferPointer, at start: Int
    ) {
        let rest = LinearSteps.one - weight
        upper.values.withUnsafeBufferPointer { upper in
            lower.values.withUnsafeBufferPointer { lower in
                for index in 0..<upper.count {
                    let sum = upper[index] &* rest &+ lower[index] &* weight &+ (1 << 21)
                    target[start + index] = UInt8(truncatingIfNeeded: sum >> 22)
                }
            }
        }
    }

    /// The image with each square of `factor` x `factor` pixels as one, their mean; what is left at the right and lower edge is a
    /// mean of fewer.
    public func reduced(by factor: Int) -> RGBImage {
        guard factor > 1 else { return self }
        let (newWidth, newHeight) = ((width + factor - 1) / factor, (height + factor - 1) / factor)
        return RGBImage(width: newWidth, height: newHeight) { target in
            withPixels { pixels in
                var sums = [Int](repeating: 0, count: newWidth * 3)
                for row in 0..<newHeight {
                    for index in sums.indices { sums[index] = 0 }
                    let lines = row * factor..<min((row + 1) * factor, height)
                    for line in lines {
                        for column in 0..<width {
                            let (source, index) = ((line * width + column) * 3, column / factor * 3)
                            for channel in 0..<3 { sums[index + channel] += Int(pixels[source + channel]) }
                        }
                    }
                    for column in 0..<newWidth {
                        let count = (min((column + 1) * factor, width) - column * factor) * lines.count
                        for channel in 0..<3 {
                            target[(row * newWidth + column) * 3 + channel] = UInt8((sums[column * 3 + channel] + count / 2) / count)
                        }
                    }
                }
            }
        }
    }

    /// The image with so many rows more above and below, each like the edge's.
    public func extended(above: Int, below: Int) -> RGBImage {
        RGBImage(width: width, height: above + height + below) { target in
            withPixels { pixels in
                let rowBytes = width * 3
                for row in 0..<(above + height + below) {
                    let source = min(max(row - above, 0), height - 1) * rowBytes
                    UnsafeMutableRawBufferPointer(rebasing: target[(row * rowBytes)..<((row + 1) * rowBytes)])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(pixels)[source..<(source + rowBytes)]))
                }
            }
        }
    }
}

/// For each place of an axis in its new length: the first of the two old places it is mixed of, and the weight of the second.
private struct LinearSteps {
    static let one: Int32 = 1 << 11
    var starts: [Int] = []
    var weights: [Int32] = []

    init(from oldLength: Int, to newLength: Int) {
        let scale = Double(oldLength) / Double(newLength)
        for place in 0..<newLength {
            let position = (Double(place) + 0.5) * scale - 0.5
            let start = Int(position.rounded(.down))
            // Beyond the edges there is only the edge.
            let isInside = start >= 0 && start < oldLength - 1
            starts.append(min(max(start, 0), oldLength - 1))
            weights.append(isInside ? Int32(((position - Double(start)) * Double(Self.one)).rounded()) : 0)
        }
    }
}

/// A row of the old image in the new width, in fixed-point numbers of 11 bits.
private struct StretchedRow {
    var number = -1
    var values: [Int32]

    init(_ width: Int) { values = Array(repeating: 0, count: width * 3) }

    mutating func fill(with row: Int, of pixels: UnsafeBufferPointer<UInt8>, width: Int, _ columns: LinearSteps) {
        guard number != row else { return }
        number = row
        let start = row * width
        values.withUnsafeMutableBufferPointer { values in
            for column in columns.starts.indices {
                let (first, weight) = (columns.starts[column], columns.weights[column])
                let (left, right) = ((start + first) * 3, (start + min(first + 1, width - 1)) * 3)
                for channel in 0..<3 {
                    values[column * 3 + channel] =
                        Int32(pixels[left + channel]) &* (LinearSteps.one - weight) &+ Int32(pixels[right + channel]) &* weight
                }
            }
        }
    }
}
