import MillraceCore

/// What happened in a run, line by line, and a hash over all of it: two runs of one seed have the same.
struct EventLog {
    struct Line {
        var time: Int64
        var who: String
        var what: String
        var job: JobID?
        var number: Int64
        var note: String
    }

    /// Lines kept, the newest; the hash covers all.
    private static let linesMax = 60_000

    private(set) var lines: [Line] = []
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325

    /// - Parameter job: the job it is about, if it is about one.
    mutating func add(_ time: Int64, _ who: String, _ what: String, job: JobID? = nil, number: Int64 = 0, note: String = "") {
        if lines.count >= Self.linesMax { lines.removeFirst(Self.linesMax / 2) }
        lines.append(Line(time: time, who: who, what: what, job: job, number: number, note: note))
        mix(UInt64(bitPattern: time))
        mix(UInt64(bitPattern: number))
        mix(job.map { $0.high ^ $0.low } ?? 0)
        mix(who)
        mix(what)
        mix(note)
    }

    /// FNV-1a, on words for speed. Source: Fowler, Noll, Vo, draft-eastlake-fnv.
    private mutating func mix(_ word: UInt64) {
        hash = (hash ^ word) &* 0x0000_0100_0000_01b3
        hash ^= hash >> 29
    }

    private mutating func mix(_ text: String) {
        var text = text
        let hash = text.withUTF8 { bytes in
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            return hash
        }
        mix(hash)
    }

    /// The last lines about a job, with the larger faults that happened among them; without a job, the last lines of all.
    func tail(of job: JobID?, _ count: Int = 40) -> [String] {
        lines.filter { job == nil || $0.job == job || $0.job == nil && $0.isLargerFault }.suffix(count).map(\.text)
    }
}

extension EventLog.Line {
    fileprivate var isLargerFault: Bool { what.hasPrefix("fault") && !what.hasPrefix("fault: message") }

    var text: String {
        let fraction = String(time % 1000)
        let seconds = String(time / 1000) + "." + String(repeating: "0", count: 3 - fraction.count) + fraction
        let at = String(repeating: " ", count: max(0, 10 - seconds.count)) + seconds
        return [at, who, what, number == 0 ? "" : String(number), note].filter { !$0.isEmpty }.joined(separator: "  ")
    }
}
