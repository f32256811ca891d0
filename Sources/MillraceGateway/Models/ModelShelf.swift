import Crypto
import Foundation
import MillraceCore
import MillraceWire
import NIOPosix
import Synchronization

/// The model folders that joined machines may fetch, as lists of files with their digests.
final class ModelShelf: Sendable {
    private struct Known {
        var stamps: [String: FileStamp]
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

    /// The file of a folder that has this digest. Who asks was given the list before, so the folder is looked at again only where that is
    /// not known any more. What has changed meanwhile does not have the digest, and the list says so when it is asked for again.
    func file(_ digest: String, of folder: String, version: String) async throws -> ModelListing.File {
        func found(in listing: ModelListing?) -> ModelListing.File? { listing?.files.first { $0.sha256 == digest } }
        if let file = found(in: state.withLock { $0.known[version]?.listing }) { return file }
        guard let file = found(in: try await listing(of: folder, version: version)) else { throw Self.unknown }
        return file
    }

    private func read(_ folder: String, _ version: String) throws -> ModelListing {
        let paths = ModelFolder.files(in: folder)
        guard !paths.isEmpty else { throw Self.unknown }
        guard paths.count <= ModelListing.filesMax else {
            throw MillraceError(.tooManyFiles, "the model's folder has more than \(ModelListing.filesMax) files")
        }
        let stamps = Dictionary(uniqueKeysWithValues: paths.compactMap { path in FileStamp(folder + "/" + path).map { (path, $0) } })
        if let known = state.withLock({ $0.known[version] }), known.stamps == stamps { return known.listing }
        let listing = ModelListing(files: try paths.map { try Self.file($0, in: folder) })
        state.withLock { $0.known[version] = Known(stamps: stamps, listing: listing) }
        return listing
    }

    private static func isExecutable(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & 0o111 != 0
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
