import MillraceCore
import MillraceInference
import MillraceVision
import Synchronization

final class OCRTask: ResumableTask {
    private struct State {
        /// Pages that an earlier attempt has read.
        var before = 0
        /// The page that is given next.
        var next = 0
        /// The size of each page that was given, before it was made smaller, and by how much it was.
        var sizes: [Int: (width: Int, height: Int, factor: Int)] = [:]
        /// Pages that are read and in no part yet.
        var results: [Int: (page: [UInt8], text: String)] = [:]
        /// The page with which the next part begins.
        var partBegin = 0
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
        state = Mutex(State())
    }

    func resume(from position: JSONValue) async throws -> Int? {
        guard let count = position["pages"]?.integerValue, (1..<pages.count).contains(count) else { return nil }
        state.withLock { ($0.before, $0.next, $0.partBegin) = (count, count, count) }
        return count
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
        let number = index + state.withLock { $0.before }
        switch outcome {
        case .tensors(let tensors):
            guard let lines = PageLines(tensors)?.lines else { throw JobFailure(.internal, "the page's lines are not what was promised") }
            guard let size = state.withLock({ $0.sizes.removeValue(forKey: number) }) else { preconditionFailure("each page is answered once") }
            let (page, text) = Self.result(pages[number], lines, size)
            let bytes = try MillraceJSON.bytes(of: page)
            state.withLock { $0.results[number] = (bytes, text) }
        case .failed(let failure): throw failure.about(pages[number].title)
        case .cancelled: throw CancellationError()
        case .reply: preconditionFailure("a model on tensors answers with tensors")
        }
    }

    func cut() async throws -> TaskCut? {
        let (part, end) = state.withLock { state in
            var end = state.partBegin
            while state.results[end] != nil { end += 1 }
            // The last page is left for `finish()`, which ends the outputs.
            guard end > state.partBegin, end < pages.count else { return ([PipelineOutput](), end) }
            return (takePart(upTo: end, from: &state), end)
        }
        return part.isEmpty ? nil : TaskCut(position: ["pages": .integer(Int64(end))], parts: part)
    }

    func finish() async throws -> [PipelineOutput] {
        state.withLock { state in
            precondition(state.partBegin + state.results.count == pages.count, "finish() comes after every page was accepted")
            return takePart(upTo: pages.count, from: &state)
        }
    }

    /// The next pages as a part of both outputs: what stands before the first and after the last page comes with them.
    private func takePart(upTo end: Int, from state: inout State) -> [PipelineOutput] {
        var (json, text) = ([UInt8](), "")
        if state.partBegin == 0 { json += #"{"pages":["#.utf8 }
        for number in state.partBegin..<end {
            guard let result = state.results.removeValue(forKey: number) else { preconditionFailure("a part has finished pages only") }
            if number > 0 {
                json.append(UInt8(ascii: ","))
                text += "\u{0C}"
            }
            json += result.page
            text += result.text + "\n"
        }
        if end == pages.count { json += "]}".utf8 }
        state.partBegin = end
        return [
            PipelineOutput(name: "result.json", mediaType: "application/json", content: .bytes(json)),
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
