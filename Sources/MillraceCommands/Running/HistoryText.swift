import MillraceCore
import MillraceWire

/// A job's history in words.
enum HistoryText {
    /// A change a line; times are the job's own, in UTC.
    static func table(_ entries: [JobHistory.Entry]) -> Table {
        var table = Table([
            .init("TIME"), .init("AFTER", right: true), .init("STATE"), .init("ATTEMPT", right: true), .init("WHY", flexible: true),
            .init("WORKER"),
        ])
        table.rows = entries.enumerated().map { index, entry in
            let before = index > 0 ? Quantities.duration(entry.at.since(entries[index - 1].at)) : ""
            let waits = entry.runAt.map { $0 > entry.at ? " (waits \(Quantities.duration($0.since(entry.at))))" : "" } ?? ""
            return [
                entry.at.description, before, entry.state.rawValue, entry.attempt > 0 ? "\(entry.attempt)" : "", entry.reason + waits,
                entry.worker?.description ?? "",
            ]
        }
        return table
    }
}
