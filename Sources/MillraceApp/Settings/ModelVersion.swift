import Crypto
import Foundation
import MillraceCore
import MillraceGateway

/// What identifies a model version: a SHA-256 over its manifest and files.
enum ModelVersion {
    static func of(_ folder: String, _ manifest: ModelManifest) throws -> String {
        var paths = Set(["model.yaml"] + manifest.files.values)
        // A program imports and opens what the manifest does not name, so all of its folder counts, but for tests.
        if manifest.command != nil { paths.formUnion(ModelFolder.files(in: folder).filter { !isTest($0) }) }
        var hash = SHA256()
        for path in paths.sorted() {
            hash.update(data: Data(path.utf8))
            guard let file = FileHandle(forReadingAtPath: folder + "/" + path) else { continue }
            defer { try? file.close() }
            while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty { hash.update(data: chunk) }
        }
        return hash.finalize().hexadecimal
    }

    private static func isTest(_ path: String) -> Bool {
        let name = path.split(separator: "/").last ?? ""
        return name.hasPrefix("test_") && name.hasSuffix(".py")
    }
}
