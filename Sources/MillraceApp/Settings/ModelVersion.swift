import Crypto
import Foundation
import MillraceCore

/// What identifies a model version: a SHA-256 over its manifest and files.
enum ModelVersion {
    static func of(_ folder: String, _ manifest: ModelManifest) throws -> String {
        var paths = Set(["model.yaml"] + manifest.files.values)
        // A program imports and opens what the manifest does not name, so all of its folder counts.
        if manifest.command != nil { paths.formUnion(files(in: folder)) }
        var hash = SHA256()
        for path in paths.sorted() {
            hash.update(data: Data(path.utf8))
            guard let file = FileHandle(forReadingAtPath: folder + "/" + path) else { continue }
            defer { try? file.close() }
            while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty { hash.update(data: chunk) }
        }
        return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }

    /// The regular files of a folder, by their paths in it, without what does not change how the model answers: hidden
    /// files, byte code and tests. Links to files count as files; links to folders are not followed.
    private static func files(in folder: String) -> [String] {
        guard let entries = FileManager.default.enumerator(atPath: folder) else { return [] }
        var paths: [String] = []
        for case let path as String in entries {
            let name = path.split(separator: "/").last ?? ""
            let isFolder = entries.fileAttributes?[.type] as? FileAttributeType == .typeDirectory
            if name.hasPrefix(".") || name == "__pycache__" {
                if isFolder { entries.skipDescendants() }
            } else if !name.hasSuffix(".pyc"), !(name.hasPrefix("test_") && name.hasSuffix(".py")), isRegular(folder + "/" + path) {
                paths.append(path)
            }
        }
        return paths
    }

    private static func isRegular(_ path: String) -> Bool {
        // A link counts as what it leads to; a pipe or a device would never end.
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let type = try? FileManager.default.attributesOfItem(atPath: target)[.type] as? FileAttributeType
        return type == .typeRegular
    }
}
