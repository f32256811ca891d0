/// Columns of text, aligned, and cut to the terminal's width where a column may be cut.
struct Table {
    struct Column {
        var title: String
        var isRight = false
        /// Gives way when the line is too long.
        var isFlexible = false

        init(_ title: String, right: Bool = false, flexible: Bool = false) {
            self.title = title
            isRight = right
            isFlexible = flexible
        }
    }

    private static let gap = "  "
    private static let flexibleMin = 8

    var columns: [Column]
    var rows: [[String]] = []
    /// Colours a cell after it was measured.
    var paint: (_ column: Int, _ text: String) -> String = { $1 }

    init(_ columns: [Column]) {
        self.columns = columns
    }

    /// - Parameter width: columns of the terminal; `nil`: nothing is cut.
    func rendered(width: Int?) -> [String] {
        let safe = rows.map { $0.map(TerminalText.safe) }
        var widths = columns.indices.map { column in
            ([columns[column].title] + safe.map { $0[column] }).map(TerminalText.width).max() ?? 0
        }
        if let width { shrink(&widths, to: width) }
        return [line(columns.map(\.title), widths, painted: false)] + safe.map { line($0, widths, painted: true) }
    }

    private func shrink(_ widths: inout [Int], to width: Int) {
        let flexible = columns.indices.filter { columns[$0].isFlexible }
        var excess = widths.reduce(0, +) + Self.gap.count * (columns.count - 1) - width
        while excess > 0, let widest = flexible.filter({ widths[$0] > Self.flexibleMin }).max(by: { widths[$0] < widths[$1] }) {
            widths[widest] -= 1
            excess -= 1
        }
    }

    private func line(_ cells: [String], _ widths: [Int], painted: Bool) -> String {
        let texts = columns.indices.map { column in
            let cell = TerminalText.padded(
                TerminalText.fitted(cells[column], to: widths[column]), to: widths[column], right: columns[column].isRight)
            return painted ? paint(column, cell) : cell
        }
        var line = texts.joined(separator: Self.gap)
        while line.last == " " { line.removeLast() }
        return line
    }
}

extension Console {
    /// A table, cut to the terminal's width when it goes to one.
    func print(_ table: Table) throws {
        for line in table.rendered(width: screen.outputIsTerminal ? screen.width() : nil) { try print(line) }
    }
}
