/// A line that shows how far something is: `ocr  running  [=====>     ] 3/7 pages  43 %  12 s`.
struct ProgressBar: Equatable {
    private static let barMax = 30
    private static let barMin = 6

    /// What stands in front: what it is and its state in a word.
    var label: String
    /// 0 to 1; `nil`: nobody knows how much there is.
    var fraction: Double?
    /// What stands behind, the most important first; the last are left out when the line is too narrow.
    var details: [String]

    /// The line, never longer than the terminal is wide.
    func rendered(width: Int) -> String {
        let label = TerminalText.fitted(TerminalText.safe(label), to: width)
        var details = details.map(TerminalText.safe).filter { !$0.isEmpty }
        while true {
            let tail = details.isEmpty ? "" : "  " + details.joined(separator: "  ")
            let room = width - TerminalText.width(label) - TerminalText.width(tail)
            if let bar = bar(room: room - 4) { return "\(label)  [\(bar)]\(tail)" }
            if room >= 0, fraction == nil || details.count <= 1 { return label + tail }
            guard details.popLast() != nil else { return label }
        }
    }

    private func bar(room: Int) -> String? {
        guard let fraction, room >= Self.barMin else { return nil }
        let columns = min(room, Self.barMax)
        let filled = Int((min(max(fraction, 0), 1) * Double(columns)).rounded(.down))
        guard filled < columns else { return String(repeating: "=", count: columns) }
        return String(repeating: "=", count: filled) + ">" + String(repeating: " ", count: columns - filled - 1)
    }
}
