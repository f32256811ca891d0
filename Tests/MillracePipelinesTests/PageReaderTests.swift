import Foundation
import MillraceCore
import MillraceInference
import MillraceVision
import Synchronization
import Testing

@testable import MillracePipelines

@Suite("The reader of pages", .timeLimit(.minutes(1)))
struct PageReaderTests {
    @Test("gives a page that is alone the whole device, and one lane when more are on their way", arguments: [false, true])
    func share(expectsMore: Bool) async throws {
        let detector = Network.detector()
        let reader = try await Self.reader(detector, .recognizer())
        let observer = Observer(expectsMore: expectsMore)
        let outcomes = try await reader.run([Self.page(1, width: 64)], observer: observer)
        #expect(Self.texts(outcomes) == [["a"]])
        #expect(detector.calls.last?.isWhole == !expectsMore)
        if expectsMore { #expect(observer.rooms > 0, "a page in one lane leaves the other") }
    }

    @Test("reads the lines of a page while lines are looked for on the next")
    func overlap() async throws {
        let lineIsRead = DispatchSemaphore(value: 0)
        let detector = Network.detector { width in if width == 96 { lineIsRead.wait() } }
        let recognizer = Network.recognizer { _ in lineIsRead.signal() }
        let reader = try await Self.reader(detector, recognizer)
        // Loading has read a line as well.
        lineIsRead.wait()
        let outcomes = try await reader.run([Self.page(1, width: 64), Self.page(2, width: 96)], observer: Observer())
        #expect(Self.texts(outcomes) == [["a"], ["a"]])
    }

    @Test("lets the lines of all pages share calls where those pay, and of one page alone elsewhere", arguments: [true, false])
    func sharedCalls(batchesPay: Bool) async throws {
        let recognizer = Network.recognizer(batchesPay: batchesPay)
        let reader = try await Self.reader(.detector(), recognizer)
        let before = recognizer.calls.count
        let outcomes = try await reader.run((1...3).map { Self.page($0, width: 64) }, observer: Observer())
        #expect(Self.texts(outcomes) == [["a"], ["a"], ["a"]])
        #expect(recognizer.calls.dropFirst(before).map(\.items) == (batchesPay ? [3] : [1, 1, 1]))
    }

    @Test("answers for a page as soon as it is read, and does not read it again when another of its batch has failed")
    func failure() async throws {
        let pageIsRead = DispatchSemaphore(value: 0)
        let isBroken = Mutex(true)
        let detector = Network.detector { width in
            guard width == 96, isBroken.withLock({ $0 }) else { return }
            pageIsRead.wait()
            throw BatchFailure.outOfMemory("for this page")
        }
        let reader = try await Self.reader(detector, .recognizer())
        let batch = [Self.page(1, width: 64), Self.page(2, width: 96)]
        let observer = Observer { if $0 == 1 { pageIsRead.signal() } }
        await #expect(throws: BatchFailure.outOfMemory("for this page")) { try await reader.run(batch, observer: observer) }
        #expect(observer.ended == [1])
        isBroken.withLock { $0 = false }
        let before = detector.calls.count
        #expect(Self.texts(try await reader.run(batch, observer: observer)) == [["a"], ["a"]])
        #expect(detector.calls.dropFirst(before).map(\.width) == [96])
    }

    @Test("stops a page of one batch while another batch runs")
    func cancellation() async throws {
        let (begins, begin) = AsyncStream<Void>.makeStream()
        let isStopped = DispatchSemaphore(value: 0)
        let detector = Network.detector { width in
            guard width == 96 else { return }
            begin.finish()
            isStopped.wait()
        }
        let recognizer = Network.recognizer()
        let reader = try await Self.reader(detector, recognizer)
        let before = recognizer.calls.count
        async let stopped = reader.run([Self.page(1, width: 96)], observer: Observer(expectsMore: true))
        for await _ in begins {}
        // The end of this batch must not forget what is to be stopped in the other.
        await reader.cancel(1, reason: .cancelled)
        #expect(Self.texts(try await reader.run([Self.page(2, width: 64)], observer: Observer())) == [["a"]])
        isStopped.signal()
        guard case .cancelled = try await stopped[0] else { Issue.record("the page was read"); return }
        #expect(recognizer.calls.count == before + 1)
    }

    private static func reader(_ detector: Network, _ recognizer: Network) async throws -> PageReader {
        let files = ModelFiles(manifest: LoadedModel.ocrManifest, directory: repository.path + "/models/pp-ocr")
        let reader = PageReader(detector: detector, recognizer: recognizer, settings: try OCRSettings(files))
        try await reader.load()
        return reader
    }

    private static func page(_ id: ItemID, width: Int) -> InferenceItem {
        let image = RGBImage(width: width, height: 64, pixels: Array(repeating: 255, count: width * 64 * 3))
        return InferenceItem(id: id, payload: .tensors(PageImage.tensors(of: image)))
    }

    private static func texts(_ outcomes: [ItemOutcome]) -> [[String]] {
        outcomes.map { outcome in
            guard case .tensors(let tensors) = outcome, let lines = PageLines(tensors)?.lines else { return ["no page"] }
            return lines.map(\.text)
        }
    }
}

/// Finds one line in the middle of every page, or reads an "a" in every line.
private final class Network: TensorModel {
    struct Call {
        var items: Int
        /// Of the page, before the detector has made it larger.
        var width: Int
        var isWhole: Bool
    }
    private let output: @Sendable (_ shape: [Int]) -> Tensor
    private let onCall: @Sendable (_ width: Int) throws -> Void
    private let made = Mutex([Call]())
    let batchesPay: Bool
    let lanes = 2
    let signature: ModelSignature?

    private init(
        _ signature: ModelSignature, batchesPay: Bool, onCall: @escaping @Sendable (Int) throws -> Void, _ output: @escaping @Sendable ([Int]) -> Tensor
    ) {
        (self.signature, self.batchesPay, self.onCall, self.output) = (signature, batchesPay, onCall, output)
    }

    static func detector(onCall: @escaping @Sendable (_ width: Int) throws -> Void = { _ in }) -> Network {
        Network(signature(outputs: 4), batchesPay: false, onCall: onCall) { shape in
            let (height, width) = (shape[2], shape[3])
            let values = (0..<height * width).map { index -> Float in
                (height / 3..<height * 2 / 3).contains(index / width) && (width / 6..<width * 5 / 6).contains(index % width) ? 1 : 0
            }
            return Tensor(values, shape: [1, 1, height, width])
        }
    }

    static func recognizer(batchesPay: Bool = false, onCall: @escaping @Sendable (_ width: Int) throws -> Void = { _ in }) -> Network {
        Network(signature(outputs: 3), batchesPay: batchesPay, onCall: onCall) { shape in
            // One step; of the classes (blank, "a", space) the second.
            Tensor((0..<shape[0]).flatMap { _ in [0, 1, 0] as [Float] }, shape: [shape[0], 1, 3])
        }
    }

    private static func signature(outputs axes: Int) -> ModelSignature {
        ModelSignature(
            inputs: [.init(name: "x", element: .float32, shape: [-1, 3, -1, -1])],
            outputs: [.init(name: "y", element: .float32, shape: Array(repeating: -1, count: axes))])
    }

    var calls: [Call] { made.withLock { $0 } }
    func load() {}
    func metadata(_ key: String) -> String? { key == "character" ? "a" : nil }
    func close() {}

    func call<Result>(_ inputs: [TensorView], share: DeviceShare, _ body: ([TensorView]) throws -> Result) throws -> Result {
        let shape = inputs[0].shape
        // The detector sees 64 rows of a page as 736.
        let width = shape[2] == 736 ? Int((Double(shape[3]) * 64 / 736 / 32).rounded()) * 32 : shape[3]
        let isWhole = if case .whole = share { true } else { false }
        made.withLock { $0.append(Call(items: shape[0], width: width, isWhole: isWhole)) }
        try onCall(width)
        return try [output(shape)].withViews(body)
    }
}

private final class Observer: ItemObserver {
    let expectsMore: Bool
    private let onEnd: @Sendable (ItemID) -> Void
    private let seen = Mutex((rooms: 0, ended: [ItemID]()))

    init(expectsMore: Bool = false, onEnd: @escaping @Sendable (ItemID) -> Void = { _ in }) {
        (self.expectsMore, self.onEnd) = (expectsMore, onEnd)
    }

    var rooms: Int { seen.withLock(\.rooms) }
    var ended: [ItemID] { seen.withLock(\.ended) }
    func hasRoom() { seen.withLock { $0.rooms += 1 } }
    func ended(_ item: ItemID, _ outcome: ItemOutcome) {
        seen.withLock { $0.ended.append(item) }
        onEnd(item)
    }
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}
