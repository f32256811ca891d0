import Foundation
import Synchronization

/// What a worker hears from the agent that started it, on its standard input: the worker key on the first line, and then nothing until
/// the agent wants it to stop, or is gone.
enum Tether {
    /// The first line; `nil` when there is none.
    static func readKey() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < 4096, read(STDIN_FILENO, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    /// Asks this process to stop, as a service manager does, when nobody holds the other end any more.
    static func stopAtEnd() {
        Thread.detachNewThread {
            var byte: UInt8 = 0
            while true {
                let count = read(STDIN_FILENO, &byte, 1)
                if count == 1 || count < 0 && errno == EINTR { continue }
                break
            }
            kill(getpid(), SIGTERM)
        }
    }
}
