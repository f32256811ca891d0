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
    /// The page is held as most of its text is: of one that lies on its side or stands on its head, rows are those that one would see
    /// after turning it.
    ///
    /// - Parameter polygons: The corners of each line, clockwise from the upper left one of its text.
    /// - Returns: the lines' indices, row by row.
    public static func rows(of polygons: [[ImagePoint]]) -> [[Int]] {
        let lines = held(polygons).enumerated().map { index, corners in
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

    /// The polygons of the page turned by quarters, so that most of its text runs to the right: long lines count more than short ones.
    private static func held(_ polygons: [[ImagePoint]]) -> [[ImagePoint]] {
        var direction = ImagePoint(x: 0, y: 0)
        for corners in polygons where corners.count > 1 {
            let line = corners[1] - corners[0]
            direction = ImagePoint(x: direction.x + line.x, y: direction.y + line.y)
        }
        let isUpright = abs(direction.x) >= abs(direction.y)
        if isUpright, direction.x >= 0 { return polygons }
        return polygons.map { corners in
            corners.map { point in
                if isUpright { return ImagePoint(x: -point.x, y: -point.y) }
                return direction.y > 0 ? ImagePoint(x: point.y, y: -point.x) : ImagePoint(x: -point.y, y: point.x)
            }
        }
    }
}
