import Foundation

/// A file's bytes as memory: read when they are used, and shared by all processes that map the same file.
///
/// Unchecked: the bytes are only read.
final class MappedFile: @unchecked Sendable {
    let start: UnsafeRawPointer
    let byteCount: Int

    init(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ONNXRuntimeError.missing("file \(path)") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0,
            let address = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED
        else { throw ONNXRuntimeError.missing("bytes in \(path)") }
        start = UnsafeRawPointer(address)
        byteCount = Int(status.st_size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: start), byteCount) }
}
