import Crypto
import Foundation
import MillraceCore
import MillraceWire
import NIOPosix
import Synchronization

/// The model folders that joined machines may fetch, as lists of files with their digests.
final class ModelShelf: Sendable {
    /// A folder with more is no model.
    private static let filesMax = 10_000

    private struct Known {
        var stamps: [String]
        var listing: ModelListing
    }
    private struct State {
        var known: [String: Known] = [:]
        /// What is being read now: many workers that start at once ask for the same.
        var reading: [String: Task<ModelListing, any Error>] = [:]
    }
    private let state = Mutex(State())

    /// The files of a folder. Their bytes are read only when something has changed since the last time, and once for all who ask meanwhile:
    /// whoever hung up before a large model was read finds it read the next time.
    func listing(of folder: String, version: String) async throws -> ModelListing {
        let task = state.withLock { state in
            if let task = state.reading[version] { return task }
            // Unstructured: it is not one caller's.
            let task = Task {
                defer { self.state.withLock { $0.reading[version] = nil } }
                return try await NIOThreadPool.singleton.runIfActive { try self.read(folder, version) }
            }
            state.reading[version] = task
            return task
        }
        return try await task.value
    }

    private func read(_ folder: String, _ version: String) throws -> ModelListing {
        let paths = try Self.paths(in: folder)
        let stamps = paths.map { Self.stamp(folder + "/" + $0) }
        if let known = state.withLock({ $0.known[version] }), known.stamps == stamps { return known.listing }
        let listing = ModelListing(version: version, files: try paths.map { try Self.file($0, in: folder) })
        state.withLock { $0.known[version] = Known(stamps: stamps, listing: listing) }
        return listing
    }

    /// The regular files of a folder by their paths in it, without hidden ones and byte code. Links to files count as files; links
    /// to folders are not followed.
    private static func paths(in folder: String) throws -> [String] {
        guard let entries = FileManager.default.enumerator(atPath: folder) else { throw unknown }
        var paths: [String] = []
        for case let path as String in entries {
            let name = path.split(separator: "/").last ?? ""
            if name.hasPrefix(".") || name == "__pycache__" {
                if entries.fileAttributes?[.type] as? FileAttributeType == .typeDirectory { entries.skipDescendants() }
            } else if !name.hasSuffix(".pyc"), isRegular(folder + "/" + path) {
                paths.append(path)
                if paths.count > filesMax { throw MillraceError(.tooManyFiles, "the model's folder has more than \(filesMax) files") }
            }
        }
        return paths.sorted()
    }

    private static func isRegular(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
    }

    private static func isExecutable(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & 0o111 != 0
    }

    private static func stamp(_ path: String) -> String {
        var info = stat()
        guard stat(path, &info) == 0 else { return path }
        return "\(path) \(info.st_dev) \(info.st_ino) \(info.st_size) \(info.st_mode) \(info.st_mtim.tv_sec).\(info.st_mtim.tv_nsec)"
    }

    private static func file(_ path: String, in folder: String) throws -> ModelListing.File {
        guard let file = FileHandle(forReadingAtPath: folder + "/" + path) else { throw unknown }
        defer { try? file.close() }
        var hash = SHA256()
        var bytes: Int64 = 0
        while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty {
            hash.update(data: chunk)
            bytes += Int64(chunk.count)
        }
        return .init(
            path: path, bytes: bytes, sha256: hash.finalize().hexadecimal, isExecutable: isExecutable(folder + "/" + path))
    }

    static var unknown: MillraceError {
        MillraceError(.notFound, "there is no such model here", hint: "register again: the endpoint's model has changed")
    }
}
