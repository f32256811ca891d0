/// In which order people read lines: rows from top to bottom, the lines of a row from left to right.
public enum ReadingOrder {
    private struct Line {
        var index: Int
        var middle: Double
        var height: Double
        var left: Double
    }

    /// Groups lines into rows. A line belongs to the row whose first line is less than half a line's height away.
    ///
    /// - Parameter polygons: The corners of each line.
    /// - Returns: the lines' indices, row by row.
    public static func rows(of polygons: [[ImagePoint]]) -> [[Int]] {
        let lines = polygons.enumerated().map { index, corners in
            let ys = corners.map(\.y)
            return Line(
                index: index, middle: ys.reduce(0, +) / Double(max(corners.count, 1)), height: (ys.max() ?? 0) - (ys.min() ?? 0),
                left: corners.map(\.x).min() ?? 0)
        }
        var rows: [[Line]] = []
        for line in lines.sorted(by: { ($0.middle, $0.index) < ($1.middle, $1.index) }) {
            if let row = rows.indices.last, abs(rows[row][0].middle - line.middle) < 0.5 * line.height {
                rows[row].append(line)
            } else {
                rows.append([line])
            }
        }
        return rows.map { $0.sorted { ($0.left, $0.index) < ($1.left, $1.index) }.map(\.index) }
    }
}
