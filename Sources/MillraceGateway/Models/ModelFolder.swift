import Foundation

/// A model's folder, as those see it who copy it or tell its version.
package enum ModelFolder {
    /// The regular files of a folder by their paths in it, without hidden ones and byte code. Links to files count as files; links
    /// to folders are not followed. None when there is no such folder.
    package static func files(in folder: String) -> [String] {
        guard let entries = FileManager.default.enumerator(atPath: folder) else { return [] }
        var paths: [String] = []
        for case let path as String in entries {
            let name = path.split(separator: "/").last ?? ""
            if name.hasPrefix(".") || name == "__pycache__" {
                if entries.fileAttributes?[.type] as? FileAttributeType == .typeDirectory { entries.skipDescendants() }
            } else if !name.hasSuffix(".pyc"), isRegular(folder + "/" + path) {
                paths.append(path)
            }
        }
        return paths.sorted()
    }

    /// A link counts as what it leads to; a pipe or a device would never end.
    private static func isRegular(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
    }
}
