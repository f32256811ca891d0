import Foundation
import MillraceConformance
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceRunnerONNX
import Testing

let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

func fixture<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
    let folder = try #require(Bundle.module.resourceURL)
    return try JSONDecoder().decode(type, from: Data(contentsOf: folder.appending(path: "Fixtures/\(name)")))
}

/// A model of the repository, loaded, with its pipeline.
struct LoadedModel {
    var runner: any ModelRunner
    var pipeline: any ModelPipeline

    /// - Throws: When ONNX Runtime is not there; a test without it fails, it is not skipped.
    init(
        _ manifest: ModelManifest, directory: String, changing change: (any TensorModel) -> any TensorModel = { $0 }
    ) async throws {
        let given = ProcessInfo.processInfo.environment["MILLRACE_ONNXRUNTIME"].map { [$0] } ?? []
        let files = ModelFiles(manifest: manifest, directory: directory)
        pipeline = try PipelineRegistry.standard(pdf: .inThisProcess).pipeline(for: manifest, directory: directory)
        runner = try pipeline.makeRunner { role in
            change(ONNXModel(
                path: try files.path(of: role),
                libraryCandidates: given + [repository.path + "/.venv/lib/python3*/site-packages/onnxruntime/capi"], options: .init(threads: 2)))
        }
        try await runner.load()
    }

    static func classifier() async throws -> LoadedModel {
        try await LoadedModel(classifierManifest, directory: repository.path + "/models/efficientnet-lite0")
    }

    static func sentiment() async throws -> LoadedModel {
        try await LoadedModel(sentimentManifest, directory: repository.path + "/models/minilm-sentiment")
    }

    static func fashion() async throws -> LoadedModel {
        try await LoadedModel(
            ModelManifest(name: "fashion", runner: .onnx, pipeline: "tensors", files: ["model": "fashion-mnist-mlp-v1.onnx"]),
            directory: repository.path + "/Examples/onnx-model")
    }

    static let classifierManifest = ModelManifest(
        name: "efficientnet-lite0", runner: .onnx, pipeline: "image-classification",
        files: ["model": "efficientnet-lite0.onnx", "labels": "imagenet-labels.txt"],
        options: ["size": 224, "cropFraction": 0.875, "mean": [127, 127, 127], "scale": [128, 128, 128]])

    static let sentimentManifest = ModelManifest(
        name: "minilm-sentiment", runner: .onnx, pipeline: "text-classification",
        files: ["model": "minilm-sentiment-w8.onnx", "labels": "labels.txt", "vocab": "vocab.txt"],
        options: ["tokensMax": 96, "lowercase": true])

    static func ocr() async throws -> LoadedModel {
        try await LoadedModel(ocrManifest, directory: repository.path + "/models/pp-ocr")
    }

    static let ocrManifest = ModelManifest(
        name: "pp-ocr", runner: .onnx, pipeline: "ocr",
        files: ["detector": "PP-OCRv6_det_small.onnx", "recognizer": "PP-OCRv6_rec_small.onnx"])

    var driver: PipelineDriver { PipelineDriver(runner: runner, pipeline: pipeline) }

    func run(_ jobs: [PipelineJob], batch: Int, backwards: Bool = false) async throws -> [[PipelineOutput]] {
        try await driver.run(jobs, batch: batch, backwards: backwards)
    }
}

struct SilentObserver: ItemObserver {
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}

/// A folder that is removed with its owner.
final class Workplace: Sendable {
    let path = FileManager.default.temporaryDirectory.appending(path: "millrace-\(UUID().uuidString)").path

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func job(
        input: JSONValue? = nil, files: [HandlerRequest.File] = [], parameters: [String: JSONValue] = [:],
        limits: EndpointLimits = .init()
    ) throws -> PipelineJob {
        let id = try #require(JobID("01890a5d-ac96-774b-bcce-b302099a8057"))
        return PipelineJob(
            request: HandlerRequest(
                job: id, endpoint: "e", attempt: 1, parameters: parameters, input: input, files: files, workdir: path,
                checkpoint: nil), limits: limits)
    }

    func file(_ name: String, _ bytes: [UInt8], mediaType: String) throws -> HandlerRequest.File {
        let target = path + "/in-" + name
        try Data(bytes).write(to: URL(filePath: target))
        return .init(name: "file", filename: name, path: target, mediaType: mediaType, bytes: Int64(bytes.count))
    }

    func csv(_ text: String) throws -> HandlerRequest.File {
        try file("table.csv", Array(text.utf8), mediaType: "text/csv")
    }
}

func photo(_ name: String) -> HandlerRequest.File {
    .init(name: "image", filename: name, path: repository.path + "/Examples/data/photos/" + name, mediaType: "image/png", bytes: 0)
}

extension PipelineOutput.Content {
    func data() throws -> Data {
        switch self {
        case .bytes(let bytes): Data(bytes)
        case .file(let path): try Data(contentsOf: URL(filePath: path))
        case .joined(let parts): try parts.reduce(into: Data()) { $0 += try $1.data() }
        }
    }
}

extension PipelineOutput {
    func data() throws -> Data {
        try content.data()
    }

    func json() throws -> JSONValue {
        #expect(mediaType == "application/json")
        return try MillraceJSON.decode(from: data())
    }
}

/// The code of the `JobFailure` or `MillraceError` that is thrown.
func code(_ body: () async throws -> some Any) async -> String? {
    do {
        _ = try await body()
        return nil
    } catch let failure as JobFailure {
        return failure.code
    } catch let error as MillraceError {
        return error.code.rawValue
    } catch {
        return "\(error)"
    }
}
