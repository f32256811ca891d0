import MillraceCore
import MillraceInference
import MillraceText
import MillraceVision
import Synchronization

/// Runs OCR on batches of pages, ``PageReading``.
///
/// An item is one page, ``PageImage``; its outcome is ``PageLines``. Pages and calls of lines run side by side in the models' lanes, and
/// a lane that finds none makes room for the next batch; a page that is alone is given the whole device. Lines whose recogniser lets them
/// move each other get calls of their own.
final class PageReader: ModelRunner, DriftMeasuring {
    private struct State {
        var stages: PageReading.Stages?
        var lanes: LanePool?
        var items = RunnerItems()
        /// Batches.
        var running = 0
        var remarks: [String] = []
    }

    private let detector: any TensorModel
    private let recognizer: any TensorModel
    private let orientation: (any TensorModel)?
    private let settings: OCRSettings
    private let queue = BlockingQueue(label: "millrace.inference.model")
    private let state = Mutex(State())

    init(detector: any TensorModel, recognizer: any TensorModel, orientation: (any TensorModel)? = nil, settings: OCRSettings) {
        self.detector = detector
        self.recognizer = recognizer
        self.orientation = orientation
        self.settings = settings
    }

    var signature: ModelSignature? { nil }
    var remarks: [String] { state.withLock { $0.remarks } }

    /// Loads the models and reads a blank page, so that the first real one is as fast as the second.
    /// - Throws: `model_unavailable`; `invalid_manifest` when there are no characters for the recogniser's classes.
    func load() async throws {
        let (detector, recognizer, orientation, settings) = (detector, recognizer, orientation, settings)
        let (stages, remarks) = try await queue.run { () -> (PageReading.Stages, [String]) in
            for (model, role) in [(detector, "detector"), (recognizer, "recognizer"), (orientation, "orientation")] {
                guard let model else { continue }
                try model.load()
                try Self.check(model, role)
            }
            var stages = PageReading.Stages(
                detector: TextDetector(model: detector, settings: settings.detector),
                orientation: orientation.map { OrientationClassifier(model: $0) },
                recognizer: LineRecognizer(
                    model: recognizer, decoder: CTCDecoder(characters: try settings.characters(of: recognizer)), settings: settings.recognizer)
            )
            func blank(_ width: Int, _ height: Int) -> RGBImage {
                RGBImage(width: width, height: height, pixels: Array(repeating: 255, count: width * height * 3))
            }
            let line = blank(1, settings.recognizer.lineHeight)
            _ = try stages.detector.regions(on: blank(64, 64), share: .lane)
            _ = try stages.orientation?.probabilities(of: [line])
            _ = try stages.recognizer.read(
                .init(width: settings.recognizer.widthStep, lines: [.init(image: line, page: 0, region: 0)]), share: .lane)
            // Pages always have calls of their own.
            guard recognizer.quantizesAtRunTime else { return (stages, []) }
            let drift = try stages.recognizer.drift()
            guard !drift.isTolerable else { return (stages, []) }
            stages.recognizer.settings.linesMax = 1
            return (stages, [drift.remark("the recogniser")])
        }
        state.withLock { state in
            state.stages = stages
            state.lanes = LanePool(label: "millrace.inference.pages", lanes: max(detector.lanes, recognizer.lanes))
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
                hint: "files.detector is a DB text detector, files.recognizer a CTC recogniser, files.orientation a cls, as PaddleOCR's")
        }
    }

    func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        let (stages, lanes) = state.withLock { ($0.stages, $0.lanes) }
        guard let stages, let lanes else { throw MillraceError(.modelUnavailable, "the model is not loaded") }
        let ids = batch.map(\.id)
        observer.began(ids)
        let isOnly = state.withLock { state in
            state.items.admit(ids)
            state.running += 1
            return state.running == 1
        }
        defer { state.withLock { $0.running -= 1 } }
        let isAlone = batch.count == 1 && isOnly && !observer.expectsMore
        // Where calls pay that have many lines, the lines of all pages share them; elsewhere no page waits for another.
        let parts = recognizer.batchesPay ? [batch] : batch.map { [$0] }
        let toBegin = Countdown(parts.count)
        let reading = PageReading(
            stages: stages, settings: settings, lanes: lanes, share: isAlone ? .whole : .lane, onRoom: { if toBegin.isOver { observer.hasRoom() } },
            isUnwanted: { id in self.state.withLock { $0.items.stopping(id) != nil } })
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for part in parts {
                    group.addTask {
                        toBegin.step()
                        try await self.read(part, reading, observer)
                    }
                }
                try await group.waitForAll()
            }
        } catch {
            // Who fails alone is not run again.
            if ids.count == 1 { state.withLock { $0.items.forget(ids) } }
            throw (error as? JobFailure).map(BatchFailure.unattributed) ?? error
        }
        return state.withLock { $0.items.take(ids) }
    }

    private func read(_ part: [InferenceItem], _ reading: PageReading, _ observer: any ItemObserver) async throws {
        // Of a batch that failed and is run again, some pages may have been read.
        let part = state.withLock { state in part.filter { !state.items.isSettled($0.id) } }
        let pages = part.map { item in
            guard case .tensors(let tensors) = item.payload, let image = PageImage.image(in: tensors) else {
                preconditionFailure("this runner takes pages")
            }
            return PageReading.Page(id: item.id, image: image)
        }
        let outcomes = try await reading.outcomes(of: pages)
        state.withLock { $0.items.settle(Dictionary(uniqueKeysWithValues: zip(pages.map(\.id), outcomes))) }
        for (page, outcome) in zip(pages, outcomes) { observer.ended(page.id, outcome) }
    }

    func cancel(_ item: ItemID, reason: CancellationReason) async {
        state.withLock { _ = $0.items.stop(item, reason: reason) }
    }

    func close() async {
        state.withLock { ($0.stages, $0.lanes) = (nil, nil) }
        for model in [detector, recognizer, orientation] { model?.close() }
    }
}

/// Parts of a batch that have not begun: a lane that rests meanwhile is theirs, and no room for others.
private final class Countdown: Sendable {
    private let left: Mutex<Int>
    init(_ count: Int) { left = Mutex(count) }
    var isOver: Bool { left.withLock { $0 == 0 } }
    func step() { left.withLock { $0 -= 1 } }
}
