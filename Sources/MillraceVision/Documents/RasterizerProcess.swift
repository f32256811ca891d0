import Dispatch
import Foundation
import Glibc
import MillraceCore

/// A PDF file that is read in a process of its own, ``Rasterizer``: when that crashes, hangs or takes too much memory, the document is
/// called damaged.
///
/// Unchecked: used by one thread at a time, as ``PDFDocument``; a timer may end the process at any time. It ends with this object.
public final class RasterizerProcess: @unchecked Sendable {
    /// How a rasterizer is started: an executable and what comes before the file's path.
    public struct Command: Sendable {
        public var executable: String
        public var arguments: [String]

        public init(executable: String, arguments: [String]) {
            self.executable = executable
            self.arguments = arguments
        }
    }

    private static let lineBytesMax = 1 << 16

    /// Asking a process that has died is an error of that call, not the end of this process.
    private static let ignoresBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    public private(set) var pageCount = 0

    /// Starts the process and opens the document. Blocks meanwhile.
    /// - Throws: As ``PDFDocument/init(path:)``.
    public init(_ command: Command, path: String) throws(JobFailure) {
        Self.ignoresBrokenPipes
        process.executableURL = URL(fileURLWithPath: command.executable)
        process.arguments = command.arguments + [path]
        process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw JobFailure(.internal, "the process that reads PDF files cannot be started: \(error.localizedDescription)", retryable: true)
        }
        try? input.fileHandleForReading.close()
        try? output.fileHandleForWriting.close()
        pageCount = try limited { () throws(JobFailure) in try answer().pages ?? 0 }
    }

    deinit {
        // Explicitly: `Process` keeps its pipes after its end.
        try? input.fileHandleForWriting.close()
        try? output.fileHandleForReading.close()
        stop()
    }

    /// Ends the process, from any thread; a page that is waited for fails.
    public func stop() {
        // Not `terminate()`: the process inherits what this thread blocks, and that may be every signal that can be.
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// As ``PDFDocument/page(_:dpi:pixelsMax:)``.
    public func page(_ number: Int, dpi: Double, pixelsMax: Int64) throws(JobFailure) -> RGBImage {
        try limited { () throws(JobFailure) in
            do {
                try input.fileHandleForWriting.write(contentsOf: Data("\(number) \(dpi) \(pixelsMax)\n".utf8))
            } catch {
                throw Self.crashed
            }
            let answer = try answer()
            guard let width = answer.width, let height = answer.height, width > 0, height > 0, Int64(width) * Int64(height) <= 1 << 31 else {
                throw Self.crashed
            }
            return RGBImage(width: width, height: height, pixels: try bytes(width * height * 3))
        }
    }

    /// Ends the process when `body` takes too long: what it waits for then ends.
    private func limited<Value>(_ body: () throws(JobFailure) -> Value) throws(JobFailure) -> Value {
        // Weak: a timer that was cancelled is kept until its time.
        let alarm = DispatchWorkItem { [weak self] in self?.stop() }
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(Int(Rasterizer.secondsMax)), execute: alarm)
        defer { alarm.cancel() }
        return try body()
    }

    private static let crashed = PDFDocument.damaged("the PDF could not be read: it took too long, too much memory, or broke the reader")

    private func answer() throws(JobFailure) -> Rasterizer.Answer {
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n") {
            guard line.count < Self.lineBytesMax else { throw Self.crashed }
            line += try bytes(1)
        }
        guard let answer = try? JSONDecoder().decode(Rasterizer.Answer.self, from: Data(line)) else { throw Self.crashed }
        if let failure = answer.failure { throw failure }
        return answer
    }

    /// Exactly so many bytes of the process's output.
    private func bytes(_ count: Int) throws(JobFailure) -> [UInt8] {
        var filled = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
            while filled < count {
                // Not `FileHandle`, which waits for as many bytes as there is room for.
                let got = Glibc.read(output.fileHandleForReading.fileDescriptor, bytes.baseAddress! + filled, count - filled)
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else { break }
                filled += got
            }
            initialized = filled
        }
        guard filled == count else { throw Self.crashed }
        return bytes
    }
}
