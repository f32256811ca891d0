import MillraceCore
import MillraceInference
import MillraceVision

/// Finds the lines of text on a page: a detector of the kind "differentiable binarization" and what makes regions of its map.
///
/// The model takes `float32 [1, 3, height, width]`, blue, green, red, each `(value / 255 - 0.5) / 0.5`, both sides multiples of 32;
/// it gives `float32 [1, 1, height, width]` or a part of that size.
struct TextDetector: Sendable {
    struct Settings: Sendable, Equatable {
        /// A page whose shorter side is below this is made larger.
        var sideMin = 736
        /// A page whose longer side is above this is made smaller.
        var sideMax = 2000
        var regions = TextRegionFinder()
    }

    static let normalization = ChannelNormalization(mean: [127.5, 127.5, 127.5], scale: [127.5, 127.5, 127.5])
    private static let sideStep = 32
    /// A single line alone is too flat for the detector: it is given some of its edge above and below.
    private static let flatnessMax = 8

    let model: any TensorModel
    let settings: Settings

    func regions(on page: RGBImage, share: DeviceShare) throws -> [TextRegion] {
        let margin = max(0, page.width / Self.flatnessMax - page.height) / 2
        let sheet = margin > 0 ? page.extended(above: margin, below: margin) : page
        let size = size(for: sheet)
        let input = sheet.resizedBilinearly(width: size.width, height: size.height).planes(Self.normalization, order: .bgr)
        let map = try [Tensor(input, shape: [1, 3, size.height, size.width])].withViews { inputs in
            try model.call(inputs, share: share) { outputs in try Self.map(in: outputs) }
        }
        let found = settings.regions.regions(
            in: map.values, width: map.width, height: map.height, imageWidth: sheet.width, imageHeight: sheet.height)
        return margin > 0 ? found.map { $0.moved(up: margin, within: page.height) } : found
    }

    /// The size in which the model sees the page.
    private func size(for page: RGBImage) -> (width: Int, height: Int) {
        let (short, long) = (Double(min(page.width, page.height)), Double(max(page.width, page.height)))
        let scale = min(max(1, Double(settings.sideMin) / short), Double(settings.sideMax) / long)
        func side(_ length: Int) -> Int {
            max(Self.sideStep, Int((Double(length) * scale / Double(Self.sideStep)).rounded()) * Self.sideStep)
        }
        return (side(page.width), side(page.height))
    }

    private static func map(in outputs: [TensorView]) throws -> (values: [Float], width: Int, height: Int) {
        guard let output = outputs.first, output.element == .float32, output.shape.count == 4, output.shape[0] == 1, output.shape[1] == 1,
            output.shape[2] > 0, output.shape[3] > 0
        else {
            throw JobFailure(
                .modelError, "the detector gave no map of the shape [1, 1, height, width]", hint: "files.detector must be a DB text detector")
        }
        return (Array(output.floats), output.shape[3], output.shape[2])
    }
}

extension TextRegion {
    fileprivate func moved(up rows: Int, within height: Int) -> TextRegion {
        var copy = self
        copy.corners = corners.map { ImagePoint(x: $0.x, y: min(max($0.y - Double(rows), 0), Double(height - 1))) }
        return copy
    }
}
