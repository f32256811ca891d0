import Foundation
import Hummingbird
import MillraceCore
import NIOCore
import NIOPosix

/// A part of a file as the body of an answer, read piece by piece on a thread that may block.
struct FileBody: Sendable {
    private static let chunkBytes = 256 * 1024

    let path: String
    let range: Range<Int64>

    func write(to writer: inout any ResponseBodyWriter) async throws {
        let descriptor = try await NIOThreadPool.singleton.runIfActive { [path] in open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw MillraceError(.notFound, "a file is gone") }
        defer { close(descriptor) }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = Int(min(Int64(Self.chunkBytes), range.upperBound - offset))
            let bytes = try await NIOThreadPool.singleton.runIfActive { [offset] in
                [UInt8](unsafeUninitializedCapacity: count) { $1 = max(0, pread(descriptor, $0.baseAddress, count, off_t(offset))) }
            }
            // The file has become shorter: the answer breaks off, and whoever reads it sees that.
            guard !bytes.isEmpty else { throw MillraceError(.unavailable, "a file changed while it was sent") }
            try await writer.write(ByteBuffer(bytes: bytes))
            offset += Int64(bytes.count)
        }
        try await writer.finish(nil)
    }
}
