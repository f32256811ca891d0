import Foundation
import MillraceConformance
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceRunnerONNX
import Synchronization
import Testing

/// Every pipeline with its real model: a result does not depend on who shares its batch.
@Suite(.serialized) struct PipelineConformanceTests {
    typealias Promise = ConformanceCase<PipelineSubject>

    @Test(arguments: PipelineConformance.cases) func `image classification keeps its promises`(_ promise: Promise) async throws {
        let (model, work) = (try await LoadedModel.classifier(), try Workplace())
        try await promise.run(PipelineSubject(driver: model.driver) {
            try work.job(files: [photo("chelsea.png"), photo("rocket.jpg")])
        } mates: {
            [try work.job(files: [photo("coffee.png"), photo("flower.jpg")])]
        } largerMates: {
            [try work.job(files: [photo("china.jpg"), photo("camera.png"), photo("coffee.png")])]
        })
    }

    @Test(arguments: PipelineConformance.cases) func `text classification keeps its promises`(_ promise: Promise) async throws {
        let (model, work) = (try await LoadedModel.sentiment(), try Workplace())
        let long = String(repeating: "The second season is far better than anything that came before, though the end is weak. ", count: 6)
        @Sendable func job(_ texts: String...) throws -> PipelineJob { try work.job(input: ["texts": .array(texts.map { .string($0) })]) }
        try await promise.run(PipelineSubject(driver: model.driver) {
            try job("good", "I do not like it at all.", "It arrived on Tuesday.")
        } mates: {
            [try job("bad", "So so."), try job("What a lovely day!")]
        } largerMates: {
            [try job(long), try job("A middling sentence of some more words than the others have.", long)]
        })
    }

    @Test(arguments: PipelineConformance.cases) func `a table keeps its promises`(_ promise: Promise) async throws {
        let (model, own, others) = (try await LoadedModel.sentiment(), try Workplace(), try Workplace())
        let long = String(repeating: "never again ", count: 40)
        try await promise.run(PipelineSubject(driver: model.driver) {
            try own.job(files: [own.csv("id,text\n1,good\n2,terrible service\n3,I am not sure what to say\n")])
        } mates: {
            [try others.job(files: [others.csv("text\nfine\nawful\n")])]
        } largerMates: {
            [try others.job(files: [others.csv("text\n\(long)\n\(long)\n\(long)\n")])]
        })
    }

    @Test(arguments: PipelineConformance.cases) func `OCR keeps its promises`(_ promise: Promise) async throws {
        let (model, work) = (try await LoadedModel.ocr(), try Workplace())
        @Sendable func page(_ number: Int) -> HandlerRequest.File {
            let name = "medical-report-page\(number).png"
            return .init(name: "file", filename: name, path: repository.path + "/Examples/data/report/" + name, mediaType: "image/png", bytes: 1)
        }
        try await promise.run(PipelineSubject(driver: model.driver) {
            try work.job(files: [page(4)])
        } mates: {
            [try work.job(files: [photo("coffee.png"), photo("china.jpg")])]
        } largerMates: {
            [try work.job(files: [page(2)])]
        })
    }

    @Test(arguments: PipelineConformance.cases) func `tensors keep their promises`(_ promise: Promise) async throws {
        try await promise.run(Self.images(try await LoadedModel.fashion()))
    }

    @Test(arguments: PipelineConformance.cases) func `a model that quantises at run time keeps them, for its items have calls of their own`(_ promise: Promise) async throws {
        try await promise.run(Self.numbers(try await Self.quantised(suspected: true)))
    }

    @Test func `the suite notices a model whose items move each other`() async throws {
        let subject = try Self.numbers(try await Self.quantised(suspected: false))
        var broken = 0
        for promise in PipelineConformance.cases {
            do { try await promise.run(subject) } catch is ConformanceFailure { broken += 1 }
        }
        #expect(broken == PipelineConformance.cases.count)
    }

    @Test func `lines that move each other are read one a call`() async throws {
        let work = try Workplace()
        var models: [Swaying] = []
        let model = try await LoadedModel(LoadedModel.ocrManifest, directory: repository.path + "/models/pp-ocr") { model in
            models.append(Swaying(model))
            return models[models.count - 1]
        }
        #expect(model.runner.remarks.count == 1)
        #expect(models.map { $0.takeLargest() }.max() == 2, "two lines, to try it")
        let page = repository.path + "/Examples/data/report/medical-report-page4.png"
        let file = HandlerRequest.File(name: "file", filename: "page.png", path: page, mediaType: "image/png", bytes: 1)
        let outputs = try await model.run([work.job(files: [file])], batch: 1)
        #expect(try outputs[0][1].data().count > 100)
        #expect(models.map { $0.takeLargest() } == [1, 1])
    }

    private static func images(_ model: LoadedModel) throws -> PipelineSubject {
        let work = try Workplace()
        @Sendable func job(_ values: Double...) throws -> PipelineJob {
            try work.job(input: ["inputs": .array(values.map { value in
                ["image": .array([.array(Array(repeating: .array(Array(repeating: .number(value), count: 28)), count: 28))])]
            })])
        }
        return PipelineSubject(driver: model.driver) { try job(0.25, 0.5) } mates: { [try job(0.1), try job(0.7)] } largerMates: { [try job(100, 50)] }
    }

    private static func numbers(_ model: LoadedModel) throws -> PipelineSubject {
        let work = try Workplace()
        @Sendable func job(_ scales: Double...) throws -> PipelineJob {
            try work.job(input: ["inputs": .array(scales.map { scale in ["x": .array((1...8).map { .number(Double($0 * $0 % 11 - 4) * scale) })] })])
        }
        return PipelineSubject(driver: model.driver) { try job(0.37, 1) } mates: { [try job(0.5), try job(1.7)] } largerMates: { [try job(1000)] }
    }

    /// - Parameter suspected: Whether its runner is told that the model quantises at run time.
    private static func quantised(suspected: Bool) async throws -> LoadedModel {
        let manifest = ModelManifest(name: "dynamic-int8", runner: .onnx, pipeline: "tensors", files: ["model": "dynamic-int8.onnx"])
        return try await LoadedModel(manifest, directory: repository.path + "/Tests/MillraceRunnerONNXTests/Fixtures") { model in
            Batched(model: model, quantizesAtRunTime: suspected)
        }
    }
}

/// A model whose items share calls, as on a GPU; what is suspected of it is up to the test.
private struct Batched: TensorModel {
    let model: any TensorModel
    let quantizesAtRunTime: Bool
    var signature: ModelSignature? { model.signature }
    var lanes: Int { 1 }
    var batchesPay: Bool { true }
    func load() throws { try model.load() }
    func metadata(_ key: String) throws -> String? { try model.metadata(key) }
    func call<Result>(_ inputs: [TensorView], share: DeviceShare, _ body: ([TensorView]) throws -> Result) throws -> Result {
        try model.call(inputs, share: share, body)
    }
    func close() { model.close() }
}

/// A model whose outputs are other ones when items share a call.
private final class Swaying: TensorModel {
    private let model: any TensorModel
    /// Items of the largest call.
    private let largest = Mutex(0)

    init(_ model: any TensorModel) { self.model = model }

    func takeLargest() -> Int {
        largest.withLock { largest in
            defer { largest = 0 }
            return largest
        }
    }

    let quantizesAtRunTime = true
    var signature: ModelSignature? { model.signature }
    var lanes: Int { model.lanes }
    var batchesPay: Bool { model.batchesPay }
    func load() throws { try model.load() }
    func metadata(_ key: String) throws -> String? { try model.metadata(key) }
    func close() { model.close() }

    func call<Result>(_ inputs: [TensorView], share: DeviceShare, _ body: ([TensorView]) throws -> Result) throws -> Result {
        let items = inputs[0].shape[0]
        largest.withLock { $0 = max($0, items) }
        return try model.call(inputs, share: share) { outputs in
            guard items > 1 else { return try body(outputs) }
            return try [Tensor(outputs[0].floats.map { $0 + 0.001 }, shape: outputs[0].shape)].withViews(body)
        }
    }
}
