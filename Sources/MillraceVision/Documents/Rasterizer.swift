import Foundation
import Glibc
import MillraceCore

/// The process that reads one PDF file for another process: what a hostile file does to it happens to no worker.
///
/// It answers on its standard output. First comes a line of JSON, ``Answer``, with the number of pages; then, for each line
/// `page dpi pixelsMax` on its standard input, a line with the page's size and after it the page's pixels, three bytes each. It ends
/// with its input, and by itself when a page takes longer than a minute: whoever started it may be gone.
public enum Rasterizer {
    /// For opening the file, and for each page; print takes a tenth of a second.
    static let secondsMax: UInt32 = 60

    /// One line of the answer.
    struct Answer: Codable {
        var pages: Int?
        var width: Int?
        var height: Int?
        var failure: JobFailure?
    }

    /// Of address space: a small document can hold an enormous image.
    private static let bytesMax: rlim_t = 2 << 30

    /// Serves the file until the input ends.
    public static func serve(path: String) {
        limitMemory()
        beginClock()
        let document: PDFDocument
        do throws(JobFailure) {
            document = try PDFDocument(path: path)
        } catch {
            return say(Answer(failure: error))
        }
        say(Answer(pages: document.pageCount))
        while let line = nextLine() {
            let numbers = line.split(separator: " ").compactMap { Double($0) }
            guard numbers.count == 3 else { return }
            do throws(JobFailure) {
                let page = try document.page(Int(numbers[0]), dpi: numbers[1], pixelsMax: Int64(numbers[2]))
                say(Answer(width: page.width, height: page.height))
                page.withPixels { write(UnsafeRawBufferPointer($0)) }
            } catch {
                say(Answer(failure: error))
            }
        }
    }

    /// The time for what comes next begins.
    private static func beginClock() {
        // The signal ends the process, whatever was done with it before.
        signal(SIGALRM, SIG_DFL)
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGALRM)
        sigprocmask(SIG_UNBLOCK, &signals, nil)
        alarm(secondsMax)
    }

    /// Waiting is not counted.
    private static func nextLine() -> String? {
        alarm(0)
        defer { beginClock() }
        return readLine()
    }

    private static func limitMemory() {
        var limit = rlimit(rlim_cur: bytesMax, rlim_max: bytesMax)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    }

    private static func say(_ answer: Answer) {
        guard let line = try? JSONEncoder().encode(answer) else { return }
        (line + Data("\n".utf8)).withUnsafeBytes { write($0) }
    }

    /// Whoever reads may be gone: then this process has no purpose left.
    private static func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(1, rest.baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { exit(1) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}
