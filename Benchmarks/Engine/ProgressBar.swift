import Foundation

/// A bar on standard error; nothing where that is no terminal.
struct ProgressBar {
    let what: String
    let total: Int
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shown = -1

    init(what: String, total: Int) {
        self.what = what
        self.total = total
    }

    mutating func show(_ done: Int) {
        let percent = done * 100 / max(total, 1)
        guard isTerminal, percent != shown else { return }
        shown = percent
        let bar = String(repeating: "#", count: percent / 2) + String(repeating: ".", count: 50 - percent / 2)
        FileHandle.standardError.write(Data("\r\(what) \(bar) \(done) of \(total)\(done == total ? "\n" : "")".utf8))
    }
}
