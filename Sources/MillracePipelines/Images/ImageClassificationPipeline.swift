import MillraceCore
import MillraceInference
import MillraceVision

/// Photos in, classes out. Every input file of a job is one item.
///
/// The model takes `float32 [batch, 3, size, size]`: the middle of the upright photo, a square of `cropFraction` of the
/// shorter side, resized (antialiased), each channel `(value - mean) / scale` with values from 0 to 255.
/// It gives `float32 [batch, classes]`.
///
/// `resize: 256` with `size: 224` is what torchvision's `Resize(256)` and `CenterCrop(224)` do, to the pixel; `cropFraction: 0.875` is the
/// same but for half a pixel, as it rounds nothing.
///
/// | option | default | |
/// | --- | --- | --- |
/// | `size` | 224 | pixels |
/// | `cropFraction` | 0.875 | over 0.01, at most 1 |
/// | `resize` | | in place of `cropFraction`: the shorter side in pixels before the square is cut out, `size` at least |
/// | `interpolation` | `bicubic` | or `bilinear` |
/// | `mean`, `scale` | 127.5 | one number, or red, green, blue, whatever the `order` |
/// | `order` | `rgb` | or `bgr` |
/// | `layout` | `nchw` | or `nhwc`: the model takes `[batch, size, size, 3]` |
/// | `input` | `image` | the model's input |
/// | `output` | its only one | the model's output |
/// | `activation` | `softmax` | `none` when the model gives probabilities |
///
/// Files: `labels`, a line for each class. Parameter: `topK`, how many classes to return (5).
///
/// Output `result.json`: `{"images": [{"file": ..., "classes": [{"index", "label", "probability"}, ...]}]}`, the
/// images in the order of the job's files, the classes by falling probability. A photo that cannot be read fails the
/// job, with the photo's name in the message.
///
/// An item's cost: the pixels that the model sees, `size * size`.
public struct ImageClassificationPipeline: ModelPipeline {
    /// The order of the axes of the model's input: batch, channels, height, width.
    enum Layout: String, CaseIterable { case nchw, nhwc }

    let labels: [String]
    let size: Int
    let cropFraction: Double
    /// The shorter side before the crop; `nil`: ``cropFraction`` holds.
    let resize: Int?
    let filter: ResamplingFilter
    let order: ChannelOrder
    let layout: Layout
    let normalization: ChannelNormalization
    let input: String
    let output: String?
    let activation: ClassScores.Activation
    let decoding = BlockingQueue(label: "millrace.decoding", concurrent: true)

    /// - Throws: `invalid_manifest` or `model_unavailable`.
    public init(model: ModelFiles) throws {
        var options = OptionReader(model.manifest)
        size = options.integer("size", in: 1...4096, default: 224)
        cropFraction = options.number("cropFraction", over: 0.01, to: 1, default: 0.875)
        let resized = options.integer("resize", in: size...8192, default: size)
        resize = model.manifest.options["resize"] == nil ? nil : resized
        if resize != nil, model.manifest.options["cropFraction"] != nil { options.report("options.resize and options.cropFraction exclude each other") }
        filter = options.choice("interpolation", default: .bicubic)
        order = options.choice("order", default: .rgb)
        layout = options.choice("layout", default: .nchw)
        normalization = ChannelNormalization(
            mean: options.channels("mean", default: [127.5, 127.5, 127.5]),
            scale: options.channels("scale", default: [127.5, 127.5, 127.5], nonzero: true))
        input = options.string("input", default: "image")
        let output = options.string("output", default: "")
        self.output = output.isEmpty ? nil : output
        activation = options.choice("activation", default: .softmax)
        try options.finish()
        labels = try model.lines(of: "labels")
    }

    /// A grey photo, and a noisy one of all colours.
    public var examples: [[String: Tensor]] {
        [[0, 0, 0], [151, 199, 233]].map { (steps: [Int]) -> [String: Tensor] in
            let pixels = (0..<size * size).flatMap { index in steps.map { UInt8(truncatingIfNeeded: 117 + index * $0) } }
            return [input: Tensor(RGBImage(width: size, height: size, pixels: pixels).planes(normalization), shape: [3, size, size])]
        }
    }

    public func cost(of payload: InferenceItem.Payload) -> Int { size * size }

    public func prepare() async {
        try? await decoding.run { ImageDecoder.prepare() }
    }

    public func open(_ job: PipelineJob) async throws -> any PipelineTask {
        guard !job.request.files.isEmpty else {
            throw JobFailure(.missingInput, "the job has no image", hint: "upload at least one JPEG, PNG or WebP file")
        }
        guard job.request.files.count <= job.limits.filesMax else {
            throw JobFailure(.tooManyFiles, "the job has \(job.request.files.count) images, more than the \(job.limits.filesMax) allowed")
        }
        let topK = job.request.parameters["topK"] ?? 5
        guard let topK = topK.integerValue, topK >= 1 else {
            throw JobFailure(.invalidParameter, "parameter \"topK\" must be a whole number of at least 1")
        }
        return ImageClassificationTask(pipeline: self, job: job, topK: min(topK, labels.count))
    }
}
