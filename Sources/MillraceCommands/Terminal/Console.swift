import Foundation
import Synchronization

/// Where a command's words go: data to standard output, notes to standard error, and one line there that is redrawn.
public final class Console: Sendable {
    public struct Screen: Sendable {
        public var outputIsTerminal: Bool
        public var errorIsTerminal: Bool
        public var usesColor: Bool
        /// In columns, now.
        public var width: @Sendable () -> Int

        public init(outputIsTerminal: Bool, errorIsTerminal: Bool, usesColor: Bool, width: @escaping @Sendable () -> Int) {
            self.outputIsTerminal = outputIsTerminal
            self.errorIsTerminal = errorIsTerminal
            self.usesColor = usesColor
            self.width = width
        }
    }

    let screen: Screen
    private let output: @Sendable ([UInt8]) throws -> Void
    private let error: @Sendable ([UInt8]) -> Void
    /// The redrawn line that stands on the terminal now.
    private let live = Mutex("")

    public init(screen: Screen, output: @escaping @Sendable ([UInt8]) throws -> Void, error: @escaping @Sendable ([UInt8]) -> Void) {
        self.screen = screen
        self.output = output
        self.error = error
    }

    /// A line of data.
    func print(_ line: String) throws { try write(Array((line + "\n").utf8)) }

    /// Data as it is.
    func write(_ bytes: [UInt8]) throws { try output(bytes) }

    /// A line for people. A redrawn line moves below it.
    func note(_ line: String) {
        live.withLock { live in
            error(Array(((live.isEmpty ? "" : Self.erase) + line + "\n" + live).utf8))
        }
    }

    /// Draws a line in place of the last one, only on a terminal; empty takes it away.
    func draw(_ line: String) {
        guard screen.errorIsTerminal else { return }
        live.withLock { live in
            guard live != line else { return }
            error(Array((Self.erase + line).utf8))
            live = line
        }
    }

    private static let erase = "\r\u{1B}[K"

    /// Standard output and standard error of this process.
    public static func standard(environment: [String: String]) -> Console {
        let errorIsTerminal = isatty(2) == 1 && environment["TERM"] != "dumb"
        let columns = environment["COLUMNS"].flatMap { Int($0) }
        let screen = Screen(
            outputIsTerminal: isatty(1) == 1, errorIsTerminal: errorIsTerminal,
            usesColor: (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb",
            width: { columns ?? terminalWidth() ?? 80 })
        return Console(
            screen: screen,
            output: { try write($0, to: 1) }, error: { try? write($0, to: 2) })
    }

    /// Nobody reads any more, as when `head` has seen enough.
    struct NobodyReads: Error {}

    private static func write(_ bytes: [UInt8], to descriptor: CInt) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            switch (count, errno) {
            case (0..., _): rest = rest.dropFirst(count)
            case (_, EINTR): continue
            case (_, EPIPE): throw NobodyReads()
            default: throw CommandFault(.failure, "standard output cannot be written: \(String(cString: strerror(errno)))")
            }
        }
    }

    private static func terminalWidth() -> Int? {
        var size = winsize()
        for descriptor in [CInt(2), 1] where ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 {
            return Int(size.ws_col)
        }
        return nil
    }
}
