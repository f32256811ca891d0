import CResampling

/// A rectangle of an image in fractional pixels, from its upper left corner.
public struct CropBox: Sendable, Equatable {
    public var left: Float
    public var top: Float
    public var right: Float
    public var bottom: Float

    public init(left: Float, top: Float, right: Float, bottom: Float) {
        self.left = left
        self.top = top
        self.right = right
        self.bottom = bottom
    }

    /// The square in the middle whose side is `fraction` of the image's shorter side.
    public static func center(ofWidth width: Int, height: Int, fraction: Double) -> CropBox {
        let (width, height) = (Double(width), Double(height))
        let side = min(width, height) * fraction
        let (left, top) = (Float((width - side) / 2), Float((height - side) / 2))
        // In an image of 100,000,000 x 1 pixels a `Float` has no room for half a pixel in the middle.
        return CropBox(
            left: left, top: top,
            right: max(Float((width + side) / 2), left.nextUp), bottom: max(Float((height + side) / 2), top.nextUp))
    }
}

extension CropBox {
    /// What is left of an image whose shorter side was resized to `shorterSide` pixels when `size` pixels each way are cut out of its middle:
    /// the longer side and the place of the cut are whole pixels, as torchvision's `Resize` and `CenterCrop` have them.
    public static func center(ofWidth width: Int, height: Int, shorterSide: Int, size: Int) -> CropBox {
        precondition(size <= shorterSide, "what is cut out must be there")
        let short = min(width, height)
        func ends(of side: Int) -> (Float, Float) {
            let resized = side == short ? shorterSide : Int(Double(shorterSide) * Double(side) / Double(short))
            let start = (Double(resized - size) / 2).rounded(.toNearestOrEven)
            func place(_ pixel: Double) -> Float { Float(pixel * Double(side) / Double(resized)) }
            // In an image of 100,000,000 x 1 pixels a `Float` has no room for a pixel in the middle.
            return (place(start), max(min(place(start + Double(size)), Float(side)), place(start).nextUp))
        }
        let (columns, rows) = (ends(of: width), ends(of: height))
        return CropBox(left: columns.0, top: rows.0, right: columns.1, bottom: rows.1)
    }
}

/// How pixels are mixed when an image is resized. Both filters grow with the reduction.
public enum ResamplingFilter: String, Sendable, CaseIterable {
    /// Keys' cubic convolution with a = -0.5.
    case bicubic
    /// A triangle.
    case bilinear

    fileprivate var support: Double { self == .bicubic ? 2 : 1 }

    fileprivate func weight(at distance: Double) -> Double {
        let x = abs(distance)
        guard self == .bicubic else { return max(1 - x, 0) }
        let a = -0.5
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
        return 0
    }
}

extension RGBImage {
    /// The part in `box`, resized with an antialiased filter.
    ///
    /// Equal to Pillow's `Image.resize(size, BICUBIC, box:)`, or `BILINEAR`, to the last bit: the filter grows with the reduction, the
    /// coefficients are fixed-point numbers of 22 bits, and each of the two passes, first along rows, then along
    /// columns, rounds to 8 bits. Source of the algorithm: Pillow, `src/libImaging/Resample.c`. The inner loops are in C, which can
    /// have a version for each kind of processor.
    ///
    /// - Precondition: The box lies in the image and is not empty.
    public func resampled(
        _ box: CropBox, width newWidth: Int, height newHeight: Int, filter: ResamplingFilter = .bicubic
    ) -> RGBImage {
        precondition(newWidth > 0 && newHeight > 0, "an image has at least one pixel")
        precondition(
            box.left >= 0 && box.top >= 0 && box.right <= Float(width) && box.bottom <= Float(height)
                && box.right > box.left && box.bottom > box.top, "the box must lie in the image")
        let columns = ResamplingKernel(filter, inputSize: width, from: box.left, to: box.right, outputSize: newWidth)
        let rows = ResamplingKernel(filter, inputSize: height, from: box.top, to: box.bottom, outputSize: newHeight)
        let rowRange = rows.inputRange
        let narrow = RGBImage(width: newWidth, height: rowRange.count) { target in
            withPixels { columns.resampleRows($0, rowBytes: width * 3, rowRange, into: target) }
        }
        return RGBImage(width: newWidth, height: newHeight) { target in
            narrow.withPixels { rows.resampleColumns($0, rowBytes: newWidth * 3, firstRow: rowRange.lowerBound, into: target) }
        }
    }
}

/// For every output position along one axis, the input positions that it sums up, and with what weight.
private struct ResamplingKernel {
    private static let precisionBits: Int32 = 32 - 8 - 2

    private var starts: [Int32] = []
    private var counts: [Int32] = []
    private var weights: [Int32] = []
    private let stride: Int

    init(_ filter: ResamplingFilter, inputSize: Int, from first: Float, to last: Float, outputSize: Int) {
        let scale = Double(last - first) / Double(outputSize)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        stride = Int(support.rounded(.up)) * 2 + 1
        weights = Array(repeating: 0, count: outputSize * stride)
        for position in 0..<outputSize {
            let center = Double(first) + (Double(position) + 0.5) * scale
            let start = max(0, Int(center - support + 0.5))
            let end = min(inputSize, Int(center + support + 0.5))
            var values = (start..<end).map { filter.weight(at: (Double($0) - center + 0.5) * (1 / filterScale)) }
            let sum = values.reduce(0, +)
            if sum != 0 { values = values.map { $0 / sum } }
            starts.append(Int32(start))
            counts.append(Int32(values.count))
            for (index, value) in values.enumerated() {
                let scaled = value * Double(1 << Self.precisionBits)
                weights[position * stride + index] = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
            }
        }
    }

    /// The input positions that are looked at, of all output positions together.
    var inputRange: Range<Int> { Int(starts[0])..<Int(starts[starts.count - 1] + counts[counts.count - 1]) }

    /// Each of the input's rows in `rows` to a row of as many pixels as this kernel has positions.
    func resampleRows(
        _ input: UnsafeBufferPointer<UInt8>, rowBytes: Int, _ rows: Range<Int>,
        into target: UnsafeMutableRawBufferPointer
    ) {
        guard let input = input.baseAddress, let output = target.bindMemory(to: UInt8.self).baseAddress else { return }
        withC { millrace_resample_rows(&$0, input + rows.lowerBound * rowBytes, rowBytes, rows.count, output) }
    }

    /// The input's rows, of which the first is number `firstRow` of the whole image, to as many as this kernel has
    /// positions.
    func resampleColumns(
        _ input: UnsafeBufferPointer<UInt8>, rowBytes: Int, firstRow: Int, into target: UnsafeMutableRawBufferPointer
    ) {
        guard let input = input.baseAddress, let output = target.bindMemory(to: UInt8.self).baseAddress else { return }
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: rowBytes) { sums in
            withC { millrace_resample_columns(&$0, input, rowBytes, firstRow, sums.baseAddress!, output) }
        }
    }

    private func withC(_ body: (inout millrace_kernel) -> Void) {
        starts.withUnsafeBufferPointer { starts in
            counts.withUnsafeBufferPointer { counts in
                weights.withUnsafeBufferPointer { weights in
                    var kernel = millrace_kernel(
                        starts: starts.baseAddress!, counts: counts.baseAddress!, weights: weights.baseAddress!, positions: starts.count,
                        stride: stride, precisionBits: Self.precisionBits)
                    body(&kernel)
                }
            }
        }
    }
}
