import Foundation
import Logging
import MillraceCore
import MillraceWire

/// Models that were fetched, shared by the workers of a machine and kept for the next start.
///
/// ```
/// files/DIGEST          the bytes, read-only
/// files/DIGEST.part     bytes that have come so far
/// trees/DIGEST/         a model's folder, of links to those
/// trees/DIGEST.lock     held by whoever uses it; its time is that of the last use
/// lock                  held by whoever fetches
/// ```
struct ModelCache: Sendable {
    let folder: String
    /// The most bytes that are kept. What is in use counts, and stays.
    let bytesMax: Int64
    let surroundings: Surroundings
    let logger: Logger

    /// Leaves a whole, verified file at a path; what lies there from an earlier try may be gone on with.
    typealias Fetch = @Sendable (_ file: ModelListing.File, _ path: String) async throws -> Void

    /// The folder of a model, fetched if it is not there. It stays for as long as the loan.
    func borrow(_ tree: ModelTree, fetch: Fetch) async throws -> ModelLoan {
        if let loan = try take(tree) { return loan }
        for name in ["", "/files", "/trees"] {
            try FileManager.default.createDirectory(atPath: folder + name, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        let lock = try await exclusive()
        defer { lock.release() }
        if let loan = try take(tree) { return loan }
        try makeRoom(for: tree)
        let missing = tree.contents.filter { size(path(of: $0)) != $0.bytes }
        let began = surroundings.now()
        for file in missing {
            let part = path(of: file) + ".part"
            try await fetch(file, part)
            chmod(part, file.isExecutable ? 0o555 : 0o444)
            guard rename(part, path(of: file)) == 0 else { throw Self.fault("rename", part) }
        }
        try assemble(tree)
        if !missing.isEmpty {
            logger.info(
                "fetched a model",
                metadata: [
                    "model.files": "\(missing.count)", "model.bytes": "\(missing.reduce(0) { $0 + $1.bytes })",
                    "fetch.seconds": "\(surroundings.now().since(began).seconds)",
                ])
        }
        guard let loan = try take(tree) else { throw MillraceError(.internal, "the model cache lost what was just put there") }
        return loan
    }

    private func path(of file: ModelListing.File) -> String { "\(folder)/files/\(file.sha256)" }

    private func size(_ path: String) -> Int64? {
        var info = stat()
        return lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG ? Int64(info.st_size) : nil
    }

    /// `nil` when it is not there, or not whole. Digests were compared when the files came, and nobody but this user may write here: what is
    /// looked at again is that they are there and have their sizes, since to read gigabytes would cost each start of a worker seconds.
    private func take(_ tree: ModelTree) throws -> ModelLoan? {
        let place = "\(folder)/trees/\(tree.digest)"
        guard FileManager.default.fileExists(atPath: place), let lock = try FileLock(place + ".lock", .shared) else { return nil }
        guard tree.files.allSatisfy({ size("\(place)/\($0.path)") == $0.bytes }) else {
            lock.release()
            return nil
        }
        utimes(place + ".lock", nil)
        return ModelLoan(path: place, lock: lock)
    }

    /// One fetches at a time: two workers of a new model need not fetch it twice.
    private func exclusive() async throws -> FileLock {
        while true {
            if let lock = try FileLock(folder + "/lock", .exclusive) { return lock }
            try await surroundings.sleep(.milliseconds(200))
        }
    }

    private func assemble(_ tree: ModelTree) throws {
        let (place, new) = ("\(folder)/trees/\(tree.digest)", "\(folder)/trees/\(tree.digest).new")
        for old in [new, place] { try? FileManager.default.removeItem(atPath: old) }
        for file in tree.files {
            let path = "\(new)/\(file.path)"
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            if file.isExecutable { chmod(self.path(of: file), 0o555) }
            guard link(self.path(of: file), path) == 0 else { throw Self.fault("link", path) }
        }
        guard rename(new, place) == 0 else { throw Self.fault("rename", new) }
    }

    // MARK: Room

    /// Lets models go that nobody uses, those first that were not used for longest, until there is room.
    private func makeRoom(for tree: ModelTree) throws {
        let needed = tree.contents.filter { size(path(of: $0)) != $0.bytes }.reduce(0) { $0 + $1.bytes }
        let coming = Set(tree.contents.map(\.sha256))
        removeOrphans(except: coming)
        for old in treesOldestFirst() {
            if kept() + needed <= bytesMax { return }
            // One that is in use stays, and so does one that another user has locked away.
            guard let lock = try? FileLock("\(old).lock", .exclusive) else { continue }
            logger.info("a model goes from the cache", metadata: ["model.tree": "\(old.split(separator: "/").last ?? "")"])
            try? FileManager.default.removeItem(atPath: old)
            unlink("\(old).lock")
            lock.release()
            removeOrphans(except: coming)
        }
        guard kept() + needed <= bytesMax else {
            throw MillraceError(
                .modelUnavailable, "the model has \(needed) bytes, and the model cache has no room: \(kept()) of \(bytesMax) bytes are in use",
                hint: "give it more with --cache-max")
        }
    }

    private func treesOldestFirst() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/trees")) ?? []
        return names.filter(ModelTree.isDigest).map { "\(folder)/trees/\($0)" }
            .map { (path: $0, usedAt: lastUse(of: $0)) }.sorted { $0.usedAt < $1.usedAt }.map(\.path)
    }

    private func lastUse(of tree: String) -> Int {
        var info = stat()
        return stat("\(tree).lock", &info) == 0 ? Int(info.st_mtim.tv_sec) : 0
    }

    private func kept() -> Int64 {
        files().reduce(0) { $0 + (size("\(folder)/files/\($1)") ?? 0) }
    }

    private func files() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder + "/files")) ?? [] }

    /// Bytes that are in no model's folder, and half-fetched ones of other models.
    private func removeOrphans(except coming: Set<String>) {
        for name in files() where !coming.contains(String(name.prefix(64))) {
            var info = stat()
            if lstat("\(folder)/files/\(name)", &info) == 0, info.st_nlink == 1 { unlink("\(folder)/files/\(name)") }
        }
    }

    /// From `errno`.
    static func fault(_ verb: String, _ path: String) -> MillraceError {
        let code = errno
        return MillraceError(code == ENOSPC ? .storageFull : .modelUnavailable, "cannot \(verb) \(path): \(String(cString: strerror(code)))")
    }
}

/// A model's folder in the cache, which stays while this is held.
final class ModelLoan: Sendable {
    let path: String
    private let lock: FileLock

    init(path: String, lock: FileLock) {
        self.path = path
        self.lock = lock
    }
}
