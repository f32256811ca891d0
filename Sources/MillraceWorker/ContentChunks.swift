import Foundation
import MillraceCore
import MillraceInference

/// An output's bytes, in pieces; an empty one is the end.
struct ContentChunks {
    /// What is still to come, the next at the end.
    private var waiting: [PipelineOutput.Content]
    private var file: FileHandle?
    private let chunkBytes: Int

    init(_ content: PipelineOutput.Content, chunkBytes: Int) {
        waiting = [content]
        self.chunkBytes = chunkBytes
    }

    mutating func next() throws -> Data {
        while true {
            if let piece = try file?.read(upToCount: chunkBytes), !piece.isEmpty { return piece }
            try? file?.close()
            file = nil
            switch waiting.popLast() {
            case nil: return Data()
            case .bytes(let bytes): if !bytes.isEmpty { return Data(bytes) }
            case .joined(let parts): waiting += parts.reversed()
            case .file(let path):
                file = FileHandle(forReadingAtPath: path)
                if file == nil { throw Self.unreadable(path) }
            }
        }
    }

    static func bytes(of content: PipelineOutput.Content) throws -> Int64 {
        switch content {
        case .bytes(let bytes): return Int64(bytes.count)
        case .joined(let parts): return try parts.reduce(0) { $0 + (try bytes(of: $1)) }
        case .file(let path):
            var info = stat()
            guard stat(path, &info) == 0 else { throw unreadable(path) }
            return Int64(info.st_size)
        }
    }

    private static func unreadable(_ path: String) -> JobFailure {
        JobFailure(.handlerProtocol, "the output file \(path) cannot be read")
    }
}
