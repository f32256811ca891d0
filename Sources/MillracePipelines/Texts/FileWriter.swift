import Foundation
import MillraceCore

/// Writes a file through a buffer of 64 KiB.
struct FileWriter: Sendable {
    private let file: FileHandle
    private var buffer: [UInt8] = []

    /// - Throws: `storage_full` when the file cannot be made.
    init(path: String) throws(JobFailure) {
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
            throw JobFailure(.storageFull, "the result file cannot be made in the work directory", retryable: true)
        }
        self.file = file
    }

    mutating func write(_ bytes: [UInt8]) throws(JobFailure) {
        buffer += bytes
        if buffer.count >= 1 << 16 { try flush() }
    }

    mutating func close() throws(JobFailure) {
        try flush()
        try? file.close()
    }

    private mutating func flush() throws(JobFailure) {
        guard !buffer.isEmpty else { return }
        do {
            try file.write(contentsOf: Data(buffer))
            buffer.removeAll(keepingCapacity: true)
        } catch {
            throw JobFailure(.storageFull, "the result cannot be written: \(error.localizedDescription)", retryable: true)
        }
    }
}
