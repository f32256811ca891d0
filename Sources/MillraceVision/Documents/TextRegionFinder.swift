/// Where a line of text lies: four corners, clockwise from the one that is the text's upper left.
public struct TextRegion: Sendable, Equatable {
    public var corners: [ImagePoint]
    /// How sure the model is that there is text, from 0 to 1.
    public var confidence: Double

    /// From this proportion of height to width on a region holds text that runs downwards (PaddleOCR's `get_rotate_crop_image`).
    private static let tallnessMin = 1.5

    /// Whether its text runs downwards, as far as its shape tells.
    public var isTall: Bool {
        let size = size
        return size.height >= size.width * Self.tallnessMin
    }

    /// The region with the corner first that is the upper left one of its text: of a tall region the upper right one.
    public var upright: TextRegion { isTall ? startingAt(1) : self }

    /// The region of the same text, had it been written the other way up.
    public var turned: TextRegion { startingAt(2) }

    private func startingAt(_ corner: Int) -> TextRegion {
        var copy = self
        copy.corners = Array(corners[corner...] + corners[..<corner])
        return copy
    }

    /// Whole pixels, at least one each way; of sides that differ the longer one.
    var size: (width: Double, height: Double) {
        let width = max((corners[0] - corners[1]).length, (corners[2] - corners[3]).length)
        let height = max((corners[0] - corners[3]).length, (corners[1] - corners[2]).length)
        return (max(width.rounded(.down), 1), max(height.rounded(.down), 1))
    }
}

/// Finds lines of text in the map of a detector of the kind "differentiable binarization" (PP-OCR): for each pixel the probability
/// that it belongs to the shrunk core of a line.
///
/// What is above the threshold is put together to areas; each gets the smallest box around it, and the box is made as much larger
/// as training made the lines smaller: by area x ratio / perimeter.
/// Source: Liao et al., Real-time Scene Text Detection with Differentiable Binarization, https://arxiv.org/abs/1911.08947
public struct TextRegionFinder: Sendable, Equatable {
    /// From which probability on a pixel belongs to a line.
    public var threshold: Float = 0.3
    /// Below this mean probability a box is none.
    public var confidenceMin = 0.5
    /// How much larger than its core a line is.
    public var unclipRatio = 1.6
    /// Whether cores grow by one pixel to the right and downwards, so that cracks close.
    public var dilates = true
    /// Areas looked at, from the top; a page of noise must not cost minutes.
    public var areasMax = 1000

    /// Shorter sides than this, in pixels of the map, before and after the box grows.
    private static let (coreSideMin, sideMin) = (3.0, 5.0)
    /// Sides of at most so many pixels of the image are no text.
    private static let imageSideMin = 3

    public init() {}

    /// - Parameters:
    ///   - map: `width * height` probabilities, row by row.
    ///   - imageWidth, imageHeight: of the image from which the map was made; the regions are in its pixels.
    /// - Returns: the regions from top to bottom, as their areas begin.
    public func regions(in map: [Float], width: Int, height: Int, imageWidth: Int, imageHeight: Int) -> [TextRegion] {
        precondition(map.count == width * height && width > 0 && height > 0, "a map's values must fit its size")
        let (scaleX, scaleY) = (Double(imageWidth) / Double(width), Double(imageHeight) / Double(height))
        return TextAreas(map, width: width, height: height, threshold: threshold, dilates: dilates, limit: areasMax).outlines
            .compactMap { outline in
                guard let core = OrientedBox(around: outline), core.shortSide >= Self.coreSideMin else { return nil }
                let confidence = mean(of: map, width: width, height: height, in: core)
                guard confidence >= confidenceMin else { return nil }
                let box = core.expanded(by: core.area * unclipRatio / core.perimeter)
                guard box.shortSide >= Self.sideMin else { return nil }
                let corners = clockwise(box.corners).map { corner in
                    ImagePoint(
                        x: min(max((corner.x * scaleX).rounded(), 0), Double(imageWidth - 1)),
                        y: min(max((corner.y * scaleY).rounded(), 0), Double(imageHeight - 1)))
                }
                guard Int((corners[0] - corners[1]).length) > Self.imageSideMin, Int((corners[0] - corners[3]).length) > Self.imageSideMin
                else { return nil }
                return TextRegion(corners: corners, confidence: confidence)
            }
    }

    /// From the upper one of the two left corners on.
    private func clockwise(_ corners: [ImagePoint]) -> [ImagePoint] {
        let byX = corners.sorted { $0.x < $1.x }
        let left = byX[..<2].sorted { $0.y < $1.y }
        let right = byX[2...].sorted { $0.y < $1.y }
        return [left[0], right[0], right[1], left[1]]
    }

    /// The mean of the map's values inside a box, its edge included.
    private func mean(of map: [Float], width: Int, height: Int, in box: OrientedBox) -> Double {
        let corners = box.corners
        let rows = max(Int(corners.map(\.y).min()!.rounded(.down)), 0)...min(Int(corners.map(\.y).max()!.rounded(.up)), height - 1)
        let columns = max(Int(corners.map(\.x).min()!.rounded(.down)), 0)...min(Int(corners.map(\.x).max()!.rounded(.up)), width - 1)
        let (halfLength, halfBreadth) = (box.length / 2 + 0.5, box.breadth / 2 + 0.5)
        var (sum, count) = (0.0, 0)
        for y in rows {
            for x in columns {
                let offset = ImagePoint(x: Double(x), y: Double(y)) - box.center
                guard abs(offset.dot(box.axis)) <= halfLength, abs(offset.cross(box.axis)) <= halfBreadth else { continue }
                sum += Double(map[y * width + x])
                count += 1
            }
        }
        return count > 0 ? sum / Double(count) : 0
    }
}

/// The connected areas of a map above a threshold, neighbours at corners included.
///
/// Rows are cut into runs; runs that touch are of one area. Of each area the ends of its runs are kept: its hull needs no more.
struct TextAreas {
    private struct Run {
        var row: Int
        var columns: ClosedRange<Int>
    }
    /// For each area points that have the same convex hull as all of its pixels. In the order in which the areas begin, from the top.
    private(set) var outlines: [[ImagePoint]] = []

    init(_ map: [Float], width: Int, height: Int, threshold: Float, dilates: Bool, limit: Int) {
        var runs: [Run] = []
        var parents: [Int] = []
        var previous = 0..<0
        for row in 0..<height {
            let first = runs.count
            Self.forEachRun(map, row: row, width: width, threshold: threshold, dilates: dilates) { columns in
                runs.append(Run(row: row, columns: columns))
                parents.append(parents.count)
            }
            var above = previous.lowerBound
            for run in first..<runs.count {
                // Runs of a row lie from left to right, so those above are passed once.
                while above < previous.upperBound, runs[above].columns.upperBound + 1 < runs[run].columns.lowerBound { above += 1 }
                var touching = above
                while touching < previous.upperBound, runs[touching].columns.lowerBound <= runs[run].columns.upperBound + 1 {
                    Self.join(run, touching, &parents)
                    touching += 1
                }
            }
            previous = first..<runs.count
        }
        var numbers: [Int: Int] = [:]
        for (index, run) in runs.enumerated() {
            let root = Self.root(of: index, &parents)
            if numbers[root] == nil {
                guard outlines.count < limit else { continue }
                numbers[root] = outlines.count
                outlines.append([])
            }
            guard let number = numbers[root] else { continue }
            for column in Set([run.columns.lowerBound, run.columns.upperBound]) {
                outlines[number].append(ImagePoint(x: Double(column), y: Double(run.row)))
            }
        }
    }

    private static func forEachRun(
        _ map: [Float], row: Int, width: Int, threshold: Float, dilates: Bool, _ body: (ClosedRange<Int>) -> Void
    ) {
        map.withUnsafeBufferPointer { map in
            let (here, above) = (row * width, (row - 1) * width)
            var start: Int?
            for column in 0..<width {
                var isText = map[here + column] > threshold
                if dilates, !isText {
                    isText = column > 0 && map[here + column - 1] > threshold
                    if !isText, row > 0 { isText = map[above + column] > threshold || (column > 0 && map[above + column - 1] > threshold) }
                }
                if isText {
                    start = start ?? column
                } else if let begun = start {
                    body(begun...(column - 1))
                    start = nil
                }
            }
            if let begun = start { body(begun...(width - 1)) }
        }
    }

    private static func root(of index: Int, _ parents: inout [Int]) -> Int {
        var index = index
        while parents[index] != index {
            parents[index] = parents[parents[index]]
            index = parents[index]
        }
        return index
    }

    /// The earlier one stays the root.
    private static func join(_ one: Int, _ other: Int, _ parents: inout [Int]) {
        let (one, other) = (root(of: one, &parents), root(of: other, &parents))
        if one != other { parents[max(one, other)] = min(one, other) }
    }
}
