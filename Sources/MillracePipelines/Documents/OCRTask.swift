import MillraceCore
import MillraceInference
import MillraceVision
import Synchronization

final class OCRTask: PipelineTask {
    private struct State {
        var next = 0
        /// The size of each page that was given, before it was made smaller, and by how much it was.
        var sizes: [Int: (width: Int, height: Int, factor: Int)] = [:]
        var results: [(page: JSONValue, text: String)?]
    }

    /// Longer pages are made smaller by whole numbers: print is as well read from fewer pixels, and they take less memory.
    private static let sideMax = 2000

    private let pages: [DocumentPages.Page]
    private let decoding: BlockingQueue
    private let state: Mutex<State>

    let unit = "pages"
    var itemsTotal: Int? { pages.count }

    init(pages: [DocumentPages.Page], decoding: BlockingQueue) {
        self.pages = pages
        self.decoding = decoding
        state = Mutex(State(results: Array(repeating: nil, count: pages.count)))
    }

    func next() async throws -> InferenceItem.Payload? {
        let index = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        guard index < pages.count else { return nil }
        let page = pages[index]
        do {
            let (image, size) = try await withTaskCancellationHandler {
                try await decoding.run {
                    let image = try page.image()
                    let factor = max(1, max(image.width, image.height) / Self.sideMax)
                    return (image.reduced(by: factor), (image.width, image.height, factor))
                }
            } onCancel: {
                page.stop()
            }
            state.withLock { $0.sizes[index] = size }
            return .tensors(PageImage.tensors(of: image))
        } catch let failure as JobFailure {
            // A page that was stopped fails as if it were damaged.
            try Task.checkCancellation()
            throw failure.about(page.title)
        }
    }

    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws {
        switch outcome {
        case .tensors(let tensors):
            guard let lines = PageLines(tensors)?.lines else { throw JobFailure(.internal, "the page's lines are not what was promised") }
            state.withLock { state in
                guard let size = state.sizes.removeValue(forKey: index) else { preconditionFailure("each page is answered once") }
                state.results[index] = Self.result(pages[index], lines, size)
            }
        case .failed(let failure): throw failure.about(pages[index].title)
        case .cancelled: throw CancellationError()
        case .reply: preconditionFailure("a model on tensors answers with tensors")
        }
    }

    func finish() async throws -> [PipelineOutput] {
        let results = state.withLock { $0.results }.compactMap { $0 }
        precondition(results.count == pages.count, "finish() comes after every page was accepted")
        let text = results.map { $0.text + "\n" }.joined(separator: "\u{0C}")
        return [
            try .json(["pages": .array(results.map(\.page))]),
            PipelineOutput(name: "text.txt", mediaType: "text/plain; charset=utf-8", content: .bytes(Array(text.utf8))),
        ]
    }

    private static func result(
        _ page: DocumentPages.Page, _ lines: [PageLines.Line], _ size: (width: Int, height: Int, factor: Int)
    ) -> (page: JSONValue, text: String) {
        let rows = ReadingOrder.rows(of: lines.map(\.corners))
        let text = rows.map { row in row.map { lines[$0].text }.joined(separator: "\t") }.joined(separator: "\n")
        let found: [JSONValue] = rows.joined().map { index in
            let line = lines[index]
            return [
                "text": .string(line.text), "confidence": .number((Double(line.confidence) * 10_000).rounded() / 10_000),
                "polygon": .array(line.corners.map { [.number($0.x * Double(size.factor)), .number($0.y * Double(size.factor))] }),
            ]
        }
        let value: JSONValue = [
            "file": .string(page.file), "page": .integer(Int64(page.number)), "width": .integer(Int64(size.width)),
            "height": .integer(Int64(size.height)), "lines": .array(found), "text": .string(text),
        ]
        return (value, text)
    }
}
