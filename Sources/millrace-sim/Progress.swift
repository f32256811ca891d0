import Foundation
import MillraceCore
import MillraceSimulation

/// A bar on standard error, when that is a terminal.
struct Progress {
    let total: Int
    let started: Timestamp
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(total: Int, started: Timestamp) {
        self.total = total
        self.started = started
    }

    func show(_ summary: SimulationSummary) {
        guard isTerminal, total > 0 else { return }
        let width = 40
        let filled = min(width, summary.seeds * width / total)
        let bar = String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
        write("\r[\(bar)] \(summary.seeds)/\(total) seeds, \(summary.jobEvents) job events, \(summary.failed) failed ")
    }

    func clear() {
        guard isTerminal else { return }
        write("\r" + String(repeating: " ", count: 110) + "\r")
    }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
