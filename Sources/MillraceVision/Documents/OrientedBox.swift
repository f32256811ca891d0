/// A place in an image, in pixels from its upper left corner.
public struct ImagePoint: Sendable, Equatable, Codable {
    public var x: Double
    public var y: Double

    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }

    static func - (left: ImagePoint, right: ImagePoint) -> ImagePoint { ImagePoint(x: left.x - right.x, y: left.y - right.y) }

    var length: Double { (x * x + y * y).squareRoot() }

    /// Positive when `other` lies clockwise of this, in an image whose y grows downwards.
    func cross(_ other: ImagePoint) -> Double { x * other.y - y * other.x }
    func dot(_ other: ImagePoint) -> Double { x * other.x + y * other.y }
}

/// A rectangle that may be turned.
struct OrientedBox: Equatable {
    var center: ImagePoint
    /// The direction of its length, of length 1.
    var axis: ImagePoint
    /// Along ``axis``.
    var length: Double
    /// Across it.
    var breadth: Double

    /// The smallest one around the points; `nil` when there are none.
    ///
    /// One of its sides lies on a side of the points' convex hull, so each side is tried.
    init?(around points: some Sequence<ImagePoint>) {
        let hull = ConvexHull(points).corners
        guard let first = hull.first else { return nil }
        var best: OrientedBox?
        for (index, corner) in hull.enumerated() {
            let side = hull[(index + 1) % hull.count] - corner
            guard side.length > 0 else { continue }
            let axis = ImagePoint(x: side.x / side.length, y: side.y / side.length)
            let box = OrientedBox(of: hull, along: axis)
            if best.map({ box.area < $0.area }) ?? true { best = box }
        }
        self = best ?? OrientedBox(center: first, axis: ImagePoint(x: 1, y: 0), length: 0, breadth: 0)
    }

    init(center: ImagePoint, axis: ImagePoint, length: Double, breadth: Double) {
        self.center = center
        self.axis = axis
        self.length = length
        self.breadth = breadth
    }

    private init(of hull: [ImagePoint], along axis: ImagePoint) {
        let normal = ImagePoint(x: -axis.y, y: axis.x)
        var (low, high) = ((along: Double.infinity, across: Double.infinity), (along: -Double.infinity, across: -Double.infinity))
        for point in hull {
            let (along, across) = (point.dot(axis), point.dot(normal))
            low = (min(low.along, along), min(low.across, across))
            high = (max(high.along, along), max(high.across, across))
        }
        let (along, across) = ((low.along + high.along) / 2, (low.across + high.across) / 2)
        self.init(
            center: ImagePoint(x: axis.x * along + normal.x * across, y: axis.y * along + normal.y * across), axis: axis,
            length: high.along - low.along, breadth: high.across - low.across)
    }

    var area: Double { length * breadth }
    var perimeter: Double { 2 * (length + breadth) }
    var shortSide: Double { min(length, breadth) }

    /// The box with each side moved outwards.
    func expanded(by distance: Double) -> OrientedBox {
        OrientedBox(center: center, axis: axis, length: length + 2 * distance, breadth: breadth + 2 * distance)
    }

    var corners: [ImagePoint] {
        let (along, across) = (length / 2, breadth / 2)
        return [(-along, -across), (along, -across), (along, across), (-along, across)].map { u, v in
            ImagePoint(x: center.x + axis.x * u - axis.y * v, y: center.y + axis.y * u + axis.x * v)
        }
    }
}

/// The corners of the smallest convex polygon around some points, in order.
struct ConvexHull {
    private(set) var corners: [ImagePoint]

    /// Andrew's monotone chain.
    init(_ points: some Sequence<ImagePoint>) {
        var sorted: [ImagePoint] = []
        for point in points.sorted(by: { ($0.x, $0.y) < ($1.x, $1.y) }) where point != sorted.last { sorted.append(point) }
        corners = sorted
        guard sorted.count > 2 else { return }
        corners = Self.chain(sorted) + Self.chain(sorted.reversed())
    }

    /// Without its last point, with which the other chain begins.
    private static func chain(_ sorted: some Sequence<ImagePoint>) -> [ImagePoint] {
        var chain: [ImagePoint] = []
        for point in sorted {
            while chain.count > 1, (chain[chain.count - 1] - chain[chain.count - 2]).cross(point - chain[chain.count - 1]) <= 0 {
                chain.removeLast()
            }
            chain.append(point)
        }
        return chain.dropLast()
    }
}
