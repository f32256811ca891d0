import MillraceCore
import MillraceInference
import MillraceText
import MillraceVision

/// Tells lines of text that stand on their head: a classifier as PaddleOCR's `cls`.
///
/// The model takes `float32 [batch, 3, 48, 192]`, blue, green, red, each `(value / 255 - 0.5) / 0.5`, lines of their own proportions filled
/// up with 0 to the right and longer ones squeezed; it gives `float32 [batch, 2]`, the probabilities of 0 and of 180 degrees.
struct OrientationClassifier: Sendable {
    private static let (height, width) = (48, 192)

    let model: any TensorModel

    /// For each line the probability that it stands on its head. All lines go through the model in the same size.
    func probabilities(of lines: [RGBImage]) throws -> [Float] {
        let valuesEach = 3 * Self.height * Self.width
        let input = [Float](unsafeUninitializedCapacity: valuesEach * lines.count) { values, initialized in
            values.initialize(repeating: 0)
            for (index, line) in lines.enumerated() {
                let width = (line.width * Self.height + line.height - 1) / line.height
                line.resizedBilinearly(width: min(width, Self.width), height: Self.height).writePlanes(
                    TextDetector.normalization, order: .bgr, rowStride: Self.width,
                    into: UnsafeMutableBufferPointer(rebasing: values[(index * valuesEach)..<((index + 1) * valuesEach)]))
            }
            initialized = valuesEach * lines.count
        }
        return try [Tensor(input, shape: [lines.count, 3, Self.height, Self.width])].withViews { inputs in
            try model.call(inputs, share: .lane) { outputs in
                guard let output = outputs.first, output.element == .float32, output.shape == [lines.count, 2] else {
                    let shape = outputs.first.map { "\($0.shape)" } ?? "nothing"
                    throw JobFailure(
                        .modelError, "the orientation classifier gave \(shape) for \(lines.count) lines",
                        hint: "files.orientation must tell 0 from 180 degrees, as PaddleOCR's cls")
                }
                return lines.indices.map { output.floats[$0 * 2 + 1] }
            }
        }
    }
}

/// Which way up lines are read, decided for the lines of one page together.
///
/// The classifier is wrong on about one line in ten, mostly short and very long ones. So the lines of a page vote on how it is held, and
/// the classifier is taken at its word only where it is sure and agrees; every other line is read both ways, and the surer reading counts.
enum LineOrientation {
    /// By so much the reading against the page must be surer: 6 and 9 are read with 1.0 both.
    private static let lead: Float = 0.05

    /// The lines of one page as they are to be read, some of them twice.
    ///
    /// - Parameters:
    ///   - lines: As they were cut out.
    ///   - probabilities: That a line stands on its head.
    ///   - threshold: Above this the classifier is sure.
    static func ways(of lines: [LineRecognizer.Line], _ probabilities: [Float], threshold: Float) -> [LineRecognizer.Line] {
        let isTurned = probabilities.count { $0 > 0.5 } * 2 > probabilities.count
        return zip(lines, probabilities).flatMap { line, probability in
            let line = isTurned ? line.turnedOver() : line
            let isSure = (isTurned ? probability : 1 - probability) > threshold
            return isSure ? [line] : [line, line.againstPage()]
        }
    }

    /// What was read in one region.
    struct Readings {
        struct Reading {
            var line: CTCDecoder.Line
            var isTurned: Bool
        }
        /// As the page is held.
        var withPage: Reading?
        var againstPage: Reading?

        /// The one that counts; `nil` when none was made.
        var best: Reading? {
            guard let withPage, let againstPage else { return withPage }
            return againstPage.line.confidence > withPage.line.confidence + lead ? againstPage : withPage
        }
    }
}
