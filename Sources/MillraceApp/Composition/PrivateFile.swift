import Foundation
import MillraceCore

/// A small file that only its owner can read, and that is there whole or not at all.
struct PrivateFile: Sendable {
    let path: String

    /// - Returns: `nil` when there is no such file.
    /// - Throws: when there is one that cannot be read. Taking it for absent would replace a secret that is in use.
    func read() throws -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw fault("read") }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        } catch {
            throw MillraceError(.invalidSettings, "cannot read \(path): \(error.localizedDescription)")
        }
    }

    /// Replaces the file in one step, on the disk before this returns: whoever made a secret may forget it afterwards.
    func write(_ text: String) throws {
        let temporary = path + ".new"
        // What a crash left behind, perhaps with other rights.
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw fault("write") }
        do {
            let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            try file.write(contentsOf: Data(text.utf8))
            guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw fault("write") }
            try file.close()
        } catch {
            unlink(temporary)
            throw (error as? MillraceError) ?? MillraceError(.internal, "cannot write \(path): \(error.localizedDescription)")
        }
        try syncFolder()
    }

    /// A file's name is in its folder, which has to reach the disk too.
    private func syncFolder() throws {
        let descriptor = open(URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fault("write") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw fault("write") }
    }

    private func fault(_ what: String) -> MillraceError {
        MillraceError(.invalidSettings, "cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }
}
