/// Finds places for the labels of points on a chart, so that none lies on another or on a point.
struct LabelPlaces {
    struct Box: Equatable {
        var left: Double
        var right: Double
        var top: Double
        var bottom: Double

        func overlaps(_ other: Box) -> Bool { left < other.right && other.left < right && top < other.bottom && other.top < bottom }

        func lies(in other: Box) -> Bool { left >= other.left && right <= other.right && top >= other.top && bottom <= other.bottom }
    }

    struct Place: Equatable {
        /// Where the text begins, on its base line.
        var x: Double
        var y: Double
        /// So far from its point that a line has to join them.
        var isFar: Bool
    }

    /// Of a letter on average, and of a line; for text of 12 px in a browser.
    private static let letter = 6.7
    private static let line = 13.0
    private static let radius = 5.0

    private let frame: Box
    private var taken: [Box]

    /// - Parameters:
    ///   - frame: what labels stay in.
    ///   - points: the centres of all points, which labels keep off.
    init(in frame: Box, points: [(x: Double, y: Double)]) {
        self.frame = frame
        taken = points.map { Box(left: $0.x - Self.radius, right: $0.x + Self.radius, top: $0.y - Self.radius, bottom: $0.y + Self.radius) }
    }

    /// The nearest place that is free; `nil`: there is none near enough.
    mutating func place(_ label: String, at point: (x: Double, y: Double)) -> Place? {
        let width = Double(label.count) * Self.letter
        for step in 0..<7 {
            for (side, sign) in [(1.0, -1.0), (-1, -1), (1, 1), (-1, 1)] {
                let x = side > 0 ? point.x + 8 : point.x - 8 - width
                let y = point.y + sign * (5 + Double(step) * Self.line) + (sign > 0 ? Self.line - 4 : 0)
                let box = Box(left: x, right: x + width, top: y - Self.line + 2, bottom: y + 2)
                guard box.lies(in: frame), !taken.contains(where: box.overlaps) else { continue }
                taken.append(box)
                return Place(x: x, y: y, isFar: step > 1)
            }
        }
        return nil
    }
}
