import MillraceCore
import MillraceInference
import MillraceText
import MillraceVision
import Synchronization

/// Scans and photos of pages in, their text out: a detector of lines and a recogniser of characters, as PaddleOCR's are.
///
/// Every page of a job's files is one item. A PDF page that is nothing but one image is read in that image's own resolution, every
/// other one is drawn.
///
/// | option | default | |
/// | --- | --- | --- |
/// | `confidenceMin` | 0.5 | lines that are read with less are left out |
/// | `sideMin`, `sideMax` | 736, 2000 | pixels of a page's shorter and longer side as the detector sees it |
/// | `threshold`, `boxThreshold` | 0.3, 0.5 | from which probability on a pixel, and a box of them, is text |
/// | `unclipRatio` | 1.6 | how much larger than its core a line is |
/// | `dilate` | true | whether cores grow by one pixel |
/// | `lineHeight` | 48 | pixels, as the recogniser sees a line |
/// | `widthStep` | 32 | to a multiple of so many pixels lines are filled up; larger steps share calls better, and compute more |
/// | `linesMax` | 8 | lines of one call |
/// | `widthMin` | 320 | to so many at least; less is faster on tables, and loses spaces in cells such as `< 40` |
/// | `orientationThreshold` | 0.9 | above which probability the orientation classifier is taken at its word |
///
/// Files: `detector`, `recognizer`; `characters`, a line for each class, where the recogniser's file does not carry them as `character`;
/// `orientation`, a classifier of lines that stand on their head. With it pages and lines may lie any way round (``LineOrientation``);
/// without it text that is upside down is not read.
/// Parameters: `pages`, such as `1-3,5`; `dpi`, 72 to 600, at which pages are drawn (150).
///
/// Outputs: `result.json`, `{"pages": [{"file", "page", "width", "height", "lines": [{"text", "confidence", "polygon"}], "text"}]}`, the
/// lines in reading order, polygons in pixels of the page, clockwise from the text's upper left corner; and `text.txt`, pages parted
/// by a form feed.
///
/// An item's cost: the page's pixels, as it goes through the models.
public struct OCRPipeline: ModelPipeline {
    static let modelRoles = ["detector", "recognizer"]
    static let orientationRole = "orientation"

    let settings: OCRSettings
    let pdf: PDFOpener
    let decoding = BlockingQueue(label: "millrace.decoding", concurrent: true)

    /// - Throws: `invalid_manifest` or `model_unavailable`.
    public init(model: ModelFiles, pdf: PDFOpener) throws {
        settings = try OCRSettings(model)
        self.pdf = pdf
    }

    public func makeRunner(_ open: (_ role: String) throws -> any TensorModel) throws -> any ModelRunner {
        PageReader(
            detector: try open(Self.modelRoles[0]), recognizer: try open(Self.modelRoles[1]),
            orientation: settings.tellsOrientation ? try open(Self.orientationRole) : nil, settings: settings)
    }

    public func cost(of payload: InferenceItem.Payload) -> Int { max(1, payload.valueCount / 3) }

    public func prepare() async {
        try? await decoding.run { ImageDecoder.prepare() }
    }

    public func open(_ job: PipelineJob) async throws -> any PipelineTask {
        guard !job.request.files.isEmpty else {
            throw JobFailure(.missingInput, "the job has no file", hint: "upload a PDF or an image")
        }
        let parameters = job.request.parameters
        let dpi = parameters["dpi"] ?? 150
        guard let dpi = dpi.doubleValue, (72...600).contains(dpi) else {
            throw JobFailure(.invalidParameter, "parameter \"dpi\" must be a number from 72 to 600")
        }
        let selection = try parameters["pages"]?.stringValue.map { text throws(JobFailure) in try PageSelection(text) }
        let (pdf, stop) = (pdf, StopFlag())
        let pages = try await withTaskCancellationHandler {
            try await decoding.run {
                try DocumentPages(job.request.files, selection: selection, dpi: dpi, limits: job.limits, pdf: pdf) { stop.isRaised }.pages
            }
        } onCancel: {
            stop.raise()
        }
        try Task.checkCancellation()
        return OCRTask(pages: pages, decoding: decoding)
    }
}

/// Tells blocking code that its task was cancelled.
private final class StopFlag: Sendable {
    private let raised = Mutex(false)
    var isRaised: Bool { raised.withLock { $0 } }
    func raise() { raised.withLock { $0 = true } }
}

/// What `model.yaml` says of an OCR model.
struct OCRSettings: Sendable {
    var detector = TextDetector.Settings()
    var recognizer = LineRecognizer.Settings()
    var confidenceMin: Float
    var tellsOrientation: Bool
    var orientationThreshold: Float
    /// From a file of their own; `nil`: the recogniser's file has them.
    var characters: [String]?

    init(_ model: ModelFiles) throws {
        var options = OptionReader(model.manifest)
        confidenceMin = Float(options.number("confidenceMin", over: -1, to: 1, default: 0.5))
        detector.sideMin = options.integer("sideMin", in: 32...4096, default: 736)
        detector.sideMax = options.integer("sideMax", in: 32...8192, default: 2000)
        detector.regions.threshold = Float(options.number("threshold", over: 0, to: 1, default: 0.3))
        detector.regions.confidenceMin = options.number("boxThreshold", over: 0, to: 1, default: 0.5)
        detector.regions.unclipRatio = options.number("unclipRatio", over: 0, to: 10, default: 1.6)
        detector.regions.dilates = options.flag("dilate", default: true)
        recognizer.lineHeight = options.integer("lineHeight", in: 16...128, default: 48)
        recognizer.widthStep = options.integer("widthStep", in: 8...1024, default: 32)
        recognizer.widthMin = options.integer("widthMin", in: 8...4096, default: 320)
        recognizer.linesMax = options.integer("linesMax", in: 1...1024, default: 8)
        orientationThreshold = Float(options.number("orientationThreshold", over: 0, to: 1, default: 0.9))
        // A role that nobody asks for would be left out without a word.
        let roles = OCRPipeline.modelRoles + [OCRPipeline.orientationRole, "characters"]
        for role in model.manifest.files.keys.sorted() where !roles.contains(role) {
            options.report("files.\(role) is unknown (known are: \(roles.sorted().joined(separator: ", ")))")
        }
        try options.finish()
        tellsOrientation = model.manifest.files[OCRPipeline.orientationRole] != nil
        characters = model.manifest.files["characters"] == nil ? nil : try model.lines(of: "characters")
        for role in OCRPipeline.modelRoles + (tellsOrientation ? [OCRPipeline.orientationRole] : []) { _ = try model.path(of: role) }
    }

    /// - Throws: `invalid_manifest` when neither a file nor the model has them.
    func characters(of recognizer: any TensorModel) throws -> [String] {
        if let characters { return characters }
        guard let text = try recognizer.metadata("character") else {
            throw MillraceError(
                .invalidManifest, "the recogniser's file carries no characters",
                hint: "files.characters: a text file with a line for each class, without the blank and the space")
        }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }
}
