import Foundation
import MillraceCore
import MillraceInference
import MillracePipelines
import Testing

struct PipelineRegistryTests {
    private let directory = repository.path + "/models/efficientnet-lite0"

    private func error(_ change: (inout ModelManifest) -> Void) -> MillraceError? {
        var manifest = LoadedModel.classifierManifest
        change(&manifest)
        return #expect(throws: MillraceError.self) {
            try PipelineRegistry.standard(pdf: .inThisProcess).pipeline(for: manifest, directory: directory)
        }
    }

    @Test func `an unknown pipeline gets the nearest name`() {
        let error = error { $0.pipeline = "image-clasification" }
        #expect(error?.code == .invalidManifest && error?.hint == "did you mean \"image-classification\"?")
        #expect(self.error { $0.pipeline = nil }?.hint == "pipeline: one of image-classification, ocr, tensors, text-classification")
    }

    @Test func `everything wrong with the options is said at once`() {
        let error = error { $0.options = ["siez": 224, "cropFraction": 2, "scale": [1, 0, 1], "mean": [1, 2]] }
        #expect(error?.code == .invalidManifest)
        for part in ["options.siez is unknown, did you mean \"size\"?", "options.cropFraction must", "options.scale must", "options.mean must"] {
            #expect(error?.message.contains(part) == true, "\(part)")
        }
    }

    @Test func `missing files are named`() {
        #expect(error { $0.files["labels"] = nil }?.code == .invalidManifest)
        let error = error { $0.files["labels"] = "nothing.txt" }
        #expect(error?.code == .modelUnavailable && error?.message.contains("nothing.txt") == true)
    }

    @Test func `a pipeline can be added`() throws {
        struct Nothing: ModelPipeline {
            func open(_ job: PipelineJob) async throws -> any PipelineTask { throw CancellationError() }
        }
        let registry = PipelineRegistry.standard(pdf: .inThisProcess).adding("nothing") { _ in Nothing() }
        var manifest = LoadedModel.classifierManifest
        manifest.pipeline = "nothing"
        #expect(try registry.pipeline(for: manifest, directory: directory) is Nothing)
        #expect(registry.names == ["image-classification", "nothing", "ocr", "tensors", "text-classification"])
    }
}
