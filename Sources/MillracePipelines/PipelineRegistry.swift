import Foundation
import MillraceCore
import MillraceInference

/// The pipelines that `model.yaml` can name, and how each is made from a manifest.
public struct PipelineRegistry: Sendable {
    public typealias Factory = @Sendable (_ model: ModelFiles) throws -> any ModelPipeline

    private var factories: [String: Factory]

    public init(_ factories: [String: Factory]) {
        self.factories = factories
    }

    /// `image-classification`, `ocr`, `text-classification` and `tensors`.
    public static func standard(pdf: PDFOpener) -> PipelineRegistry {
        PipelineRegistry([
            "image-classification": { try ImageClassificationPipeline(model: $0) },
            "ocr": { try OCRPipeline(model: $0, pdf: pdf) },
            "text-classification": { try TextClassificationPipeline(model: $0) },
            "tensors": { try TensorsPipeline(model: $0) },
        ])
    }

    public var names: [String] { factories.keys.sorted() }

    /// The roles of the model files that a pipeline needs in `files`.
    public static func modelRoles(of pipeline: String?) -> [String] {
        pipeline == "ocr" ? OCRPipeline.modelRoles : ["model"]
    }

    /// A registry that also knows `name`.
    public func adding(_ name: String, _ factory: @escaping Factory) -> PipelineRegistry {
        var copy = self
        copy.factories[name] = factory
        return copy
    }

    /// Makes the pipeline that the manifest names.
    ///
    /// - Parameter directory: The model's directory.
    /// - Throws: `invalid_manifest` for an unknown pipeline or wrong options, with all faults at once;
    ///   `model_unavailable` when a file is missing.
    public func pipeline(for manifest: ModelManifest, directory: String) throws -> any ModelPipeline {
        guard let name = manifest.pipeline else {
            throw MillraceError(
                .invalidManifest, "the model \"\(manifest.name)\" names no pipeline",
                hint: "pipeline: one of " + names.joined(separator: ", "))
        }
        guard let factory = factories[name] else {
            let near = Spelling.nearest(to: name, in: names)
            throw MillraceError(
                .invalidManifest, "the model \"\(manifest.name)\" names the unknown pipeline \"\(name)\"",
                hint: near.map { "did you mean \"\($0)\"?" } ?? "known are: " + names.joined(separator: ", "))
        }
        return try factory(ModelFiles(manifest: manifest, directory: directory))
    }
}

/// A manifest and where its files are.
public struct ModelFiles: Sendable {
    public var manifest: ModelManifest
    public var directory: String

    public init(manifest: ModelManifest, directory: String) {
        self.manifest = manifest
        self.directory = directory
    }

    /// The path of the file with this role.
    ///
    /// - Throws: `invalid_manifest` when the manifest does not name it, `model_unavailable` when it is not there.
    public func path(of role: String) throws -> String {
        guard let name = manifest.files[role] else {
            throw MillraceError(
                .invalidManifest, "the model \"\(manifest.name)\" needs files.\(role)",
                hint: "name the file in model.yaml, relative to it")
        }
        let path = name.hasPrefix("/") ? name : directory + "/" + name
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw MillraceError(
                .modelUnavailable, "the file \(path) of the model \"\(manifest.name)\" is missing or cannot be read",
                hint: "dev/setup fetches what is not in the repository")
        }
        return path
    }

    /// The lines of a text file: a label for each class, by index.
    public func lines(of role: String) throws -> [String] {
        let path = try path(of: role)
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw MillraceError(.modelUnavailable, "the file \(path) is not UTF-8 text")
        }
        var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        while lines.last == "" { lines.removeLast() }
        guard !lines.isEmpty else { throw MillraceError(.invalidManifest, "the file \(path) is empty") }
        return lines
    }
}
