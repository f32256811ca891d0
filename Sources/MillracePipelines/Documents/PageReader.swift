import MillraceCore
import MillraceInference
import MillraceText
import MillraceVision
import Synchronization

/// Runs OCR on batches of pages: every page through the detector, then the lines of all pages through the recogniser, before it through
/// the classifier of their orientation where there is one.
///
/// An item is one page, ``PageImage``; its outcome is ``PageLines``. Pages and calls of lines run side by side in the models' lanes;
/// a page that is alone is given the whole device. Lines whose recogniser lets them move each other get calls of their own.
final class PageReader: ModelRunner, DriftMeasuring {
    private struct Stages {
        var detector: TextDetector
        var orientation: OrientationClassifier?
        var recognizer: LineRecognizer
    }
    private struct State {
        var stages: Stages?
        /// Pages of the running batch that nobody wants any more.
        var unwanted: Set<ItemID> = []
        var remarks: [String] = []
    }

    private let detector: any TensorModel
    private let recognizer: any TensorModel
    private let orientation: (any TensorModel)?
    private let settings: OCRSettings
    private let queue = BlockingQueue(label: "millrace.inference.pages")
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
        let (stages, remarks) = try await queue.run { () -> (Stages, [String]) in
            for (model, role) in [(detector, "detector"), (recognizer, "recognizer"), (orientation, "orientation")] {
                guard let model else { continue }
                try model.load()
                try Self.check(model, role)
            }
            var stages = Stages(
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
        guard let stages = state.withLock({ $0.stages }) else { throw MillraceError(.modelUnavailable, "the model is not loaded") }
        observer.began(batch.map(\.id))
        defer { state.withLock { $0.unwanted = [] } }
        let pages = batch.map { item in
            guard case .tensors(let tensors) = item.payload, let page = PageImage.image(in: tensors) else {
                preconditionFailure("this runner takes pages")
            }
            return page
        }
        do {
            return try await queue.run { [self] in try read(pages, ids: batch.map(\.id), stages) }
        } catch let failure as JobFailure {
            throw BatchFailure.unattributed(failure)
        }
    }

    func cancel(_ item: ItemID, reason: CancellationReason) async {
        state.withLock { _ = $0.unwanted.insert(item) }
    }

    func close() async {
        state.withLock { $0.stages = nil }
        for model in [detector, recognizer, orientation] { model?.close() }
    }

    private func isUnwanted(_ item: ItemID) -> Bool { state.withLock { $0.unwanted.contains(item) } }

    private func read(_ pages: [RGBImage], ids: [ItemID], _ stages: Stages) throws -> [ItemOutcome] {
        let (found, lines) = try find(on: pages, ids: ids, stages)
        let readings = try read(try inTheirWays(lines, of: found, stages), of: found, ids: ids, stages.recognizer)
        return pages.indices.map { number in
            if isUnwanted(ids[number]) { return .cancelled }
            let kept = zip(found[number], readings[number]).compactMap { region, readings -> PageLines.Line? in
                guard let reading = readings.best, reading.line.confidence >= settings.confidenceMin else { return nil }
                let corners = (reading.isTurned ? region.turned : region).corners
                return PageLines.Line(corners: corners, text: reading.line.text, confidence: reading.line.confidence)
            }
            return .tensors(PageLines(lines: kept).tensors)
        }
    }

    /// The regions of each page, upright as far as their shape tells, and their lines, cut out.
    private func find(on pages: [RGBImage], ids: [ItemID], _ stages: Stages) throws -> (regions: [[TextRegion]], lines: [LineRecognizer.Line]) {
        let found = Mutex([[TextRegion]](repeating: [], count: pages.count))
        let cut = Mutex([LineRecognizer.Line]())
        let lanes = stages.detector.model.lanes
        // Of three pages in two lanes the last would keep one for itself and leave the other without work.
        let rest = pages.count % lanes
        let shared = rest <= lanes / 2 ? pages.count - rest : pages.count
        @Sendable func findLines(on number: Int, _ share: DeviceShare) throws {
            guard !isUnwanted(ids[number]) else { return }
            let regions = try stages.detector.regions(on: pages[number], share: share).map(\.upright)
            let lines = regions.enumerated().map {
                LineRecognizer.Line(image: stages.recognizer.line(in: $1, of: pages[number]), page: number, region: $0)
            }
            found.withLock { $0[number] = regions }
            cut.withLock { $0 += lines }
        }
        try Lanes.forEach(shared, lanes: lanes) { try findLines(on: $0, .lane) }
        for number in shared..<pages.count { try findLines(on: number, .whole) }
        // In order, whichever page was ready first: the same pages make the same calls.
        return (found.withLock { $0 }, cut.withLock { $0 }.sorted { ($0.page, $0.region) < ($1.page, $1.region) })
    }

    /// The lines as they are to be read: turned over, or both ways.
    private func inTheirWays(_ lines: [LineRecognizer.Line], of regions: [[TextRegion]], _ stages: Stages) throws -> [LineRecognizer.Line] {
        guard let classifier = stages.orientation else { return lines }
        let probabilities = Mutex([Float](repeating: 0, count: lines.count))
        let linesMax = settings.recognizer.linesMax
        try Lanes.forEach((lines.count + linesMax - 1) / linesMax, lanes: classifier.model.lanes) { number in
            let part = number * linesMax..<min((number + 1) * linesMax, lines.count)
            let found = try classifier.probabilities(of: lines[part].map(\.image))
            probabilities.withLock { $0.replaceSubrange(part, with: found) }
        }
        // Lines that run to the right vote among themselves, and so do those that run downwards.
        struct Group: Hashable {
            var page: Int
            var isAcross: Bool
        }
        let all = probabilities.withLock { $0 }
        let groups = Dictionary(grouping: lines.indices) { index in
            let corners = regions[lines[index].page][lines[index].region].corners
            return Group(page: lines[index].page, isAcross: abs(corners[1].x - corners[0].x) >= abs(corners[1].y - corners[0].y))
        }
        // By their first lines, so that the same pages make the same calls.
        return groups.values.sorted { $0[0] < $1[0] }.flatMap { members in
            LineOrientation.ways(of: members.map { lines[$0] }, members.map { all[$0] }, threshold: settings.orientationThreshold)
        }
    }

    /// What was read in each region of each page.
    private func read(
        _ lines: [LineRecognizer.Line], of regions: [[TextRegion]], ids: [ItemID], _ recognizer: LineRecognizer
    ) throws -> [[LineOrientation.Readings]] {
        let readings = Mutex(regions.map { [LineOrientation.Readings](repeating: .init(), count: $0.count) })
        let calls = recognizer.calls(for: lines)
        try Lanes.forEach(calls.count, lanes: recognizer.model.lanes) { number in
            let wanted = calls[number].lines.filter { !isUnwanted(ids[$0.page]) }
            guard !wanted.isEmpty else { return }
            let texts = try recognizer.read(.init(width: calls[number].width, lines: wanted), share: .lane)
            readings.withLock { readings in
                for (line, text) in zip(wanted, texts) {
                    let way: WritableKeyPath<LineOrientation.Readings, _> = line.isWithPage ? \.withPage : \.againstPage
                    readings[line.page][line.region][keyPath: way] = .init(line: text, isTurned: line.isTurned)
                }
            }
        }
        return readings.withLock { $0 }
    }
}
