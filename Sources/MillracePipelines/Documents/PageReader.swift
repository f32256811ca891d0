import MillraceCore
import MillraceInference
import MillraceText
import MillraceVision
import Synchronization

/// Runs OCR on batches of pages: every page through the detector, then the lines of all pages through the recogniser.
///
/// An item is one page, ``PageImage``; its outcome is ``PageLines``. Pages and calls of lines run side by side in the models' lanes;
/// a page that is alone is given the whole device. Lines whose recogniser lets them move each other get calls of their own.
final class PageReader: ModelRunner, DriftMeasuring {
    private let detector: any TensorModel
    private let recognizer: any TensorModel
    private let settings: OCRSettings
    private let queue = BlockingQueue(label: "millrace.inference.pages")
    private struct State {
        var stages: (detector: TextDetector, recognizer: LineRecognizer)?
        /// Pages of the running batch that nobody wants any more.
        var unwanted: Set<ItemID> = []
        var remarks: [String] = []
    }
    private let state = Mutex(State())

    init(detector: any TensorModel, recognizer: any TensorModel, settings: OCRSettings) {
        self.detector = detector
        self.recognizer = recognizer
        self.settings = settings
    }

    var signature: ModelSignature? { nil }
    var remarks: [String] { state.withLock { $0.remarks } }

    /// Loads both models and reads a blank page, so that the first real one is as fast as the second.
    /// - Throws: `model_unavailable`; `invalid_manifest` when there are no characters for the recogniser's classes.
    func load() async throws {
        let (detector, recognizer, settings) = (detector, recognizer, settings)
        let (stages, remarks) = try await queue.run { () -> ((detector: TextDetector, recognizer: LineRecognizer), [String]) in
            try detector.load()
            try recognizer.load()
            try Self.check(detector, "detector")
            try Self.check(recognizer, "recognizer")
            var stages = (
                detector: TextDetector(model: detector, settings: settings.detector),
                recognizer: LineRecognizer(
                    model: recognizer, decoder: CTCDecoder(characters: try settings.characters(of: recognizer)), settings: settings.recognizer)
            )
            let blank = RGBImage(width: 64, height: 64, pixels: Array(repeating: 255, count: 64 * 64 * 3))
            _ = try stages.detector.regions(on: blank, share: .lane)
            _ = try stages.recognizer.read(.init(width: settings.recognizer.widthStep, lines: [
                .init(image: RGBImage(width: 1, height: settings.recognizer.lineHeight, pixels: Array(repeating: 255, count: settings.recognizer.lineHeight * 3)), page: 0, region: 0),
            ]), share: .lane)
            // Pages always have calls of their own.
            guard recognizer.quantizesAtRunTime else { return (stages, []) }
            let drift = try stages.recognizer.drift()
            guard !drift.isTolerable else { return (stages, []) }
            stages.recognizer.settings.linesMax = 1
            return (stages, [drift.remark("the recogniser")])
        }
        state.withLock { state in
            state.stages = stages
            state.remarks = remarks
        }
    }

    func measureDrift() async throws -> BatchDrift? {
        guard let stages = state.withLock({ $0.stages }) else { throw MillraceError(.modelUnavailable, "the models are not loaded") }
        return try await queue.run { try stages.recognizer.drift() }
    }

    private static func check(_ model: any TensorModel, _ role: String) throws {
        guard let signature = model.signature, signature.inputs.count == 1, signature.inputs[0].element == .float32,
            signature.inputs[0].shape.count == 4, signature.outputs.first?.element == .float32
        else {
            throw MillraceError(
                .modelUnavailable, "files.\(role) is no model that takes one image and gives one map",
                hint: "files.detector is a DB text detector, files.recognizer a CTC recogniser, as PaddleOCR's")
        }
    }

    func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        guard let stages = state.withLock({ $0.stages }) else { throw MillraceError(.modelUnavailable, "the model is not loaded") }
        defer { state.withLock { $0.unwanted = [] } }
        let pages = batch.map { item in
            guard case .tensors(let tensors) = item.payload, let page = PageImage.image(in: tensors) else {
                preconditionFailure("this runner takes pages")
            }
            return page
        }
        do {
            return try await queue.run { [self] in try read(pages, ids: batch.map(\.id), stages.detector, stages.recognizer) }
        } catch let failure as JobFailure {
            throw BatchFailure.unattributed(failure)
        }
    }

    func cancel(_ item: ItemID, reason: CancellationReason) async {
        state.withLock { _ = $0.unwanted.insert(item) }
    }

    func close() async {
        state.withLock { $0.stages = nil }
        detector.close()
        recognizer.close()
    }

    private func isUnwanted(_ item: ItemID) -> Bool { state.withLock { $0.unwanted.contains(item) } }

    private func read(_ pages: [RGBImage], ids: [ItemID], _ detector: TextDetector, _ recognizer: LineRecognizer) throws -> [ItemOutcome] {
        let found = Mutex([[TextRegion]](repeating: [], count: pages.count))
        let cut = Mutex([LineRecognizer.Line]())
        let lanes = detector.model.lanes
        let share: DeviceShare = pages.count == 1 ? .whole : .lane
        try Lanes.forEach(pages.count, lanes: lanes) { number in
            guard !isUnwanted(ids[number]) else { return }
            let regions = try detector.regions(on: pages[number], share: share)
            let lines = regions.enumerated().map {
                LineRecognizer.Line(image: recognizer.line(in: $1, of: pages[number]), page: number, region: $0)
            }
            found.withLock { $0[number] = regions }
            cut.withLock { $0 += lines }
        }
        let read = Mutex(found.withLock { $0.map { [CTCDecoder.Line?](repeating: nil, count: $0.count) } })
        let calls = recognizer.calls(for: cut.withLock { $0 })
        try Lanes.forEach(calls.count, lanes: recognizer.model.lanes) { number in
            let wanted = calls[number].lines.filter { !isUnwanted(ids[$0.page]) }
            guard !wanted.isEmpty else { return }
            let texts = try recognizer.read(.init(width: calls[number].width, lines: wanted), share: .lane)
            read.withLock { read in
                for (line, text) in zip(wanted, texts) { read[line.page][line.region] = text }
            }
        }
        let (regions, lines) = (found.withLock { $0 }, read.withLock { $0 })
        return pages.indices.map { number in
            if isUnwanted(ids[number]) { return .cancelled }
            let kept = zip(regions[number], lines[number]).compactMap { region, line in
                line.flatMap { $0.confidence >= settings.confidenceMin ? PageLines.Line(corners: region.corners, text: $0.text, confidence: $0.confidence) : nil }
            }
            return .tensors(PageLines(lines: kept).tensors)
        }
    }
}

/// A page as an item's tensors: `image`, `uint8 [height, width, 3]`.
enum PageImage {
    static func tensors(of image: RGBImage) -> [String: Tensor] {
        ["image": Tensor(element: .uint8, shape: [image.height, image.width, 3], bytes: image.pixels)]
    }

    static func image(in tensors: [String: Tensor]) -> RGBImage? {
        guard let tensor = tensors["image"], tensor.element == .uint8, tensor.shape.count == 3, tensor.shape[2] == 3 else { return nil }
        return RGBImage(width: tensor.shape[1], height: tensor.shape[0], pixels: tensor.bytes)
    }
}

/// What was read on a page, in no order: as an item's tensors `polygons` (`float32 [lines, 4, 2]`, x and y in pixels), `confidences`
/// (`float32 [lines]`) and `text` (`uint8`, UTF-8, a line feed after each line).
struct PageLines: Sendable, Equatable {
    struct Line: Sendable, Equatable {
        var corners: [ImagePoint]
        var text: String
        var confidence: Float
    }
    var lines: [Line]

    var tensors: [String: Tensor] {
        let places = lines.flatMap { $0.corners.flatMap { [Float($0.x), Float($0.y)] } }
        let text = lines.flatMap { Array($0.text.utf8) + [UInt8(ascii: "\n")] }
        return [
            "polygons": Tensor(places, shape: [lines.count, 4, 2]), "confidences": Tensor(lines.map(\.confidence), shape: [lines.count]),
            "text": Tensor(element: .uint8, shape: [text.count], bytes: text),
        ]
    }

    init(lines: [Line]) { self.lines = lines }

    init?(_ tensors: [String: Tensor]) {
        guard let polygons = tensors["polygons"]?.floats, let confidences = tensors["confidences"]?.floats, let text = tensors["text"] else {
            return nil
        }
        let texts = text.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        guard texts.count == confidences.count, polygons.count == confidences.count * 8 else { return nil }
        lines = zip(texts, confidences).enumerated().map { index, line in
            let corners = (0..<4).map { ImagePoint(x: Double(polygons[index * 8 + $0 * 2]), y: Double(polygons[index * 8 + $0 * 2 + 1])) }
            return Line(corners: corners, text: String(decoding: line.0, as: UTF8.self), confidence: line.1)
        }
    }
}
