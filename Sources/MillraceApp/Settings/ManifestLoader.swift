import Foundation
import MillraceCore
import MillracePipelines
import Yams

/// Reads a model's folder: `model.yaml`, and that the files it names are there.
public enum ManifestLoader {
    /// - Throws: `invalid_manifest` with every fault there is.
    public static func load(_ folder: String) throws -> ModelManifest {
        let file = folder + "/model.yaml"
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw MillraceError(
                .invalidManifest, "there is no \(file)",
                hint: "a model is a folder with a model.yaml; see \"Add your own model\" in the README")
        }
        var faults = Faults()
        let manifest: ModelManifest?
        do {
            manifest = try Yams.compose(yaml: text).flatMap { read($0, &faults) }
        } catch {
            throw MillraceError(.invalidManifest, "\(file) is not valid YAML: \(error)")
        }
        if let manifest { checkFiles(of: manifest, in: folder, &faults) }
        try faults.throwIfAny(.invalidManifest, in: file)
        guard let manifest else { throw MillraceError(.invalidManifest, "\(file) is empty") }
        return manifest
    }

    private static func read(_ root: Node, _ faults: inout Faults) -> ModelManifest? {
        var reader = MappingReader(root, path: "", faults: &faults)
        let name = reader.string("name", &faults)
        let runner = reader.value("runner", "onnx, process, http or echo", &faults) { $0.scalar.flatMap { ModelManifest.RunnerKind(rawValue: $0.string) } }
        var manifest = ModelManifest(name: name ?? "", runner: runner ?? .onnx)
        manifest.description = reader.string("description", &faults)
        manifest.license = reader.string("license", &faults)
        manifest.pipeline = reader.string("pipeline", &faults)
        manifest.command = reader.strings("command", &faults)
        let hasServer = reader.has("server")
        if runner == .http {
            reader.mapping("server", &faults) { [command = manifest.command] reader, faults in
                manifest.server = server(&reader, command: command, &faults)
            }
        } else {
            _ = reader.take("server")
        }
        reader.mapping("files", &faults) { reader, faults in
            for (role, node) in reader.takeAll() {
                if let path = node.scalar?.string { manifest.files[role] = path } else { faults.add("\"files.\(role)\"\(node.place) must be a path") }
            }
        }
        if let node = reader.take("options"), let options = node.json.objectValue { manifest.options = options }
        manifest.accepts = reader.strings("accepts", &faults) ?? []
        manifest.inputIsOptional = reader.value("input", "required or optional", &faults) { node in
            switch node.scalar?.string {
            case "required": false
            case "optional": true
            default: nil
            }
        } ?? false
        manifest.itemsMax = reader.integer("itemsMax", &faults, in: 1...4096)
        reader.mapping("parameters", &faults) { reader, faults in
            for (name, node) in reader.takeAll() { manifest.parameters[name] = parameter(name, node, &faults) }
        }
        reader.finish(&faults)
        if name == nil { faults.add("\"name\" is missing") }
        if runner == nil { faults.add("\"runner\" is missing or wrong: onnx, process, http or echo") }
        checkRelations(manifest, hasServer: hasServer, &faults)
        return manifest
    }

    private static func parameter(_ name: String, _ node: Node, _ faults: inout Faults) -> ParameterDeclaration? {
        var reader = MappingReader(node, path: "parameters.\(name)", faults: &faults)
        defer { reader.finish(&faults) }
        let type = reader.value("type", "integer, number, string or boolean", &faults) {
            $0.scalar.flatMap { ParameterDeclaration.Kind(rawValue: $0.string) }
        }
        let declaration = ParameterDeclaration(
            type: type ?? .string, description: reader.string("description", &faults), default: reader.take("default")?.json,
            required: reader.value("required", "true or false", &faults) { $0.bool } ?? false,
            min: reader.value("min", "a number", &faults) { $0.float }, max: reader.value("max", "a number", &faults) { $0.float },
            enum: reader.take("enum")?.json.arrayValue)
        guard type != nil else {
            faults.add("\"parameters.\(name).type\"\(node.place) is missing: integer, number, string or boolean")
            return nil
        }
        return declaration
    }

    private static func checkRelations(_ manifest: ModelManifest, hasServer: Bool, _ faults: inout Faults) {
        if hasServer, manifest.runner != .http { faults.add("\"server\" is for runner: http; this is runner: \(manifest.runner.rawValue)") }
        switch manifest.runner {
        case .onnx:
            if manifest.command != nil { faults.add("\"command\" is for runner: process or http; this is runner: onnx") }
            if manifest.pipeline == nil { faults.add("\"pipeline\" is missing: what turns inputs into tensors, such as tensors or image-classification") }
            for role in PipelineRegistry.modelRoles(of: manifest.pipeline) where manifest.files[role] == nil {
                faults.add("\"files.\(role)\" is missing: the .onnx file")
            }
        case .process:
            if manifest.pipeline != nil { faults.add("\"pipeline\" is for runner: onnx; this is runner: process") }
            do { _ = try HandlerOptions(manifest) } catch { faults.add((error as? MillraceError)?.message ?? "\(error)") }
            if manifest.command?.isEmpty ?? true { faults.add("\"command\" is missing: how the handler is started, such as [\"{python}\", \"handler.py\"]") }
        case .http:
            if !hasServer { faults.add("\"server\" is missing: what the model server speaks, such as { protocol: invocations }") }
            checkServer(of: manifest, &faults)
        case .echo:
            if manifest.command != nil { faults.add("\"command\" is for runner: process or http; this is runner: echo") }
            if manifest.pipeline != nil { faults.add("\"pipeline\" is for runner: onnx; this is runner: echo") }
            if !manifest.files.isEmpty { faults.add("\"files\" is for a model that has some; runner: echo needs none") }
        }
    }

    private static func checkFiles(of manifest: ModelManifest, in folder: String, _ faults: inout Faults) {
        for (role, path) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                faults.add("\"files.\(role)\" must stay in the model's folder, not \"\(path)\"")
                continue
            }
            if !FileManager.default.isReadableFile(atPath: folder + "/" + path) {
                faults.add("\"files.\(role)\": there is no \(path) in the model's folder; if it is a weight that set-up fetches, run dev/setup")
            }
        }
    }
}
