import MillraceCore
import MillraceInference
import MillraceText
import MillraceVision
import Synchronization

/// Reads lines of text: a recogniser trained with connectionist temporal classification.
///
/// The model takes `float32 [batch, 3, lineHeight, width]`, blue, green, red, each `(value / 255 - 0.5) / 0.5`, filled up with 0 to
/// the right; it gives `float32 [batch, steps, classes]`, probabilities.
///
/// A line is filled up to the next multiple of a step, and only lines of the same width share a call: so what is read does not
/// depend on which other lines, pages or jobs there are, and little is computed that is not there.
struct LineRecognizer: Sendable {
    struct Settings: Sendable, Equatable {
        var lineHeight = 48
        var widthStep = 32
        /// Shorter lines are filled up to this: recognisers are trained so, and lose spaces in short lines without it.
        var widthMin = 320
        /// Longer lines are squeezed.
        var widthMax = 4800
        /// Lines of one call.
        var linesMax = 8
    }

    let model: any TensorModel
    let decoder: CTCDecoder
    var settings: Settings

    /// A line that is cut out and waits to be read.
    struct Line: Sendable {
        var image: RGBImage
        var page: Int
        var region: Int
        /// Whether the image was turned over.
        var isTurned = false
        /// Whether it is read as its page is held, see ``LineOrientation``.
        var isWithPage = true

        func turnedOver() -> Line {
            var copy = self
            copy.image = image.turnedOver()
            copy.isTurned.toggle()
            return copy
        }

        func againstPage() -> Line {
            var copy = turnedOver()
            copy.isWithPage.toggle()
            return copy
        }
    }

    /// Lines that go through the model together.
    struct Call: Sendable {
        var width: Int
        var lines: [Line]
    }

    func line(in region: TextRegion, of page: RGBImage) -> RGBImage {
        page.textLine(in: region, height: settings.lineHeight, widthMax: settings.widthMax)
    }

    /// How the lines share calls: those that take longest first, so that no lane is left with one at the end.
    func calls(for lines: [Line]) -> [Call] {
        var groups: [Int: [Line]] = [:]
        for line in lines {
            let width = (line.image.width + settings.widthStep - 1) / settings.widthStep * settings.widthStep
            groups[max(width, settings.widthMin), default: []].append(line)
        }
        let calls = groups.flatMap { width, lines in
            stride(from: 0, to: lines.count, by: settings.linesMax).map {
                Call(width: width, lines: Array(lines[$0..<min($0 + settings.linesMax, lines.count)]))
            }
        }
        return calls.sorted { ($0.width * $0.lines.count, $0.width) > ($1.width * $1.lines.count, $1.width) }
    }

    func read(_ call: Call, share: DeviceShare) throws -> [CTCDecoder.Line] {
        let tensor = tensor(of: call)
        return try [tensor].withViews { inputs in
            try model.call(inputs, share: share) { try lines(in: $0, count: call.lines.count) }
        }
    }

    /// How far a line's probabilities move when another shares its call: a blank line and one full of strokes, alone and together.
    func drift() throws -> BatchDrift {
        let width = settings.widthMin
        let lines = [0, 97].map { step in
            let pixels = (0..<width * settings.lineHeight * 3).map { UInt8(255 - $0 / 9 * step % 256) }
            return Line(image: RGBImage(width: width, height: settings.lineHeight, pixels: pixels), page: 0, region: 0)
        }
        func outputs(_ lines: [Line]) throws -> Tensor {
            try [tensor(of: Call(width: width, lines: lines))].withViews { inputs in
                try model.call(inputs, share: .lane) { results -> Tensor in
                    guard let output = results.first, output.element == .float32 else { throw JobFailure(.modelError, "the recogniser gave no probabilities") }
                    return output.tensor
                }
            }
        }
        let together = try outputs(lines).floats
        let alone = try lines.flatMap { try outputs([$0]).floats }
        return BatchDrift(zip(alone, together).reduce(0) { max($0, Double(abs($1.0 - $1.1))) })
    }

    private func tensor(of call: Call) -> Tensor {
        let valuesEach = 3 * settings.lineHeight * call.width
        let input = [Float](unsafeUninitializedCapacity: valuesEach * call.lines.count) { values, initialized in
            values.initialize(repeating: 0)
            for (index, line) in call.lines.enumerated() {
                line.image.writePlanes(
                    TextDetector.normalization, order: .bgr, rowStride: call.width,
                    into: UnsafeMutableBufferPointer(rebasing: values[(index * valuesEach)..<((index + 1) * valuesEach)]))
            }
            initialized = valuesEach * call.lines.count
        }
        return Tensor(input, shape: [call.lines.count, 3, settings.lineHeight, call.width])
    }

    private func lines(in outputs: [TensorView], count: Int) throws -> [CTCDecoder.Line] {
        guard let output = outputs.first, output.element == .float32, output.shape.count == 3, output.shape[0] == count,
            output.shape[2] == decoder.classCount
        else {
            let shape = outputs.first.map { "\($0.shape)" } ?? "nothing"
            throw JobFailure(
                .modelError, "the recogniser gave \(shape) for \(count) lines and \(decoder.classCount) classes",
                hint: "the characters must be those of this recogniser")
        }
        let valuesEach = output.shape[1] * output.shape[2]
        return (0..<count).map { index in
            decoder.line(
                UnsafeBufferPointer(rebasing: output.floats[(index * valuesEach)..<((index + 1) * valuesEach)]), steps: output.shape[1])
        }
    }
}
