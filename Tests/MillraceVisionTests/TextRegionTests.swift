import Foundation
import MillraceTestSupport
import Testing

@testable import MillraceVision

@Suite("Text regions")
struct TextRegionTests {
    /// Lines with soft edges: middle, angle, half of length and breadth. The expected boxes are those of rapidocr 3.10.0
    /// (`DBPostProcess` with threshold 0.3, box threshold 0.5, unclip ratio 1.6, dilation) for the same map.
    private static let lines: [(x: Double, y: Double, angle: Double, along: Double, across: Double)] = [
        (60, 20, 0.0, 45, 5), (150, 52, 0.12, 70, 4), (100, 95, -0.08, 60, 6), (230, 112, 1.5, 40, 4), (40, 130, 0.0, 30, 0.6),
        (120, 140, 0.03, 9, 3), (232, 8, 0, 12, 5),
    ]
    private static let (width, height) = (240, 160)
    private static let expected: [(corners: [[Int]], confidence: Double)] = [
        ([[428, 0], [479, 0], [479, 40], [428, 40]], 0.8127),
        ([[14, 14], [228, 14], [228, 68], [14, 68]], 0.8146),
        ([[148, 62], [458, 100], [452, 146], [142, 108]], 0.7791),
        ([[429, 130], [477, 127], [479, 318], [443, 319]], 0.7056),
        ([[56, 168], [338, 144], [344, 212], [62, 236]], 0.7829),
        ([[214, 266], [268, 266], [268, 296], [214, 296]], 0.6757),
    ]

    private static func map(sharpness: Double = 4) -> [Float] {
        var map = [Float](repeating: 0, count: width * height)
        for line in lines {
            for y in 0..<height {
                for x in 0..<width {
                    let (dx, dy) = (Double(x) - line.x, Double(y) - line.y)
                    let u = dx * cos(line.angle) + dy * sin(line.angle)
                    let v = -dx * sin(line.angle) + dy * cos(line.angle)
                    let distance = max(abs(u) - line.along, abs(v) - line.across)
                    map[y * width + x] = max(map[y * width + x], Float(1 / (1 + exp(sharpness * distance))))
                }
            }
        }
        return map
    }

    @Test("are found where rapidocr finds them, to two pixels of the map")
    func parity() {
        let regions = TextRegionFinder().regions(in: Self.map(), width: Self.width, height: Self.height, imageWidth: 480, imageHeight: 320)
            .sorted { ($0.corners[0].y, $0.corners[0].x) < ($1.corners[0].y, $1.corners[0].x) }
        #expect(regions.count == Self.expected.count)
        for (region, expected) in zip(regions, Self.expected) {
            for (corner, place) in zip(region.corners, expected.corners) {
                #expect(abs(corner.x - Double(place[0])) <= 4 && abs(corner.y - Double(place[1])) <= 4, "\(region) for \(expected)")
            }
            #expect(abs(region.confidence - expected.confidence) < 0.05, "\(region) for \(expected)")
        }
    }

    @Test("of an empty map, of noise and of a full map are none, a bounded number and one")
    func extremes() {
        let finder = TextRegionFinder()
        func regions(_ map: [Float]) -> [TextRegion] { finder.regions(in: map, width: 64, height: 48, imageWidth: 64, imageHeight: 48) }
        #expect(regions(Array(repeating: 0, count: 64 * 48)).isEmpty)
        let full = regions(Array(repeating: 1, count: 64 * 48))
        #expect(full.map { $0.corners.map { [$0.x, $0.y] } } == [[[0, 0], [63, 0], [63, 47], [0, 47]]] && full[0].confidence == 1)
        var random = SplitMix64(seed: 1)
        let noise = (0..<64 * 48).map { _ in Float(random.next() % 1000) / 1000 }
        var limited = finder
        limited.areasMax = 2
        limited.dilates = false
        limited.threshold = 0.9
        #expect(TextAreas(noise, width: 64, height: 48, threshold: 0.9, dilates: false, limit: 2).outlines.count == 2)
        #expect(limited.regions(in: noise, width: 64, height: 48, imageWidth: 64, imageHeight: 48).count <= 2)
    }

    @Test("are one where areas touch at a corner, or meet further down")
    func areas() {
        let picture = [
            "#..#....##",
            ".#.#...#..",
            "..#....#..",
            "......##..",
            "##........",
        ]
        let map = picture.joined().map { $0 == "#" ? Float(1) : 0 }
        let areas = TextAreas(map, width: 10, height: 5, threshold: 0.5, dilates: false, limit: 10).outlines
        #expect(areas.count == 3)
        #expect(Set(areas[0].map(\.x)) == [0, 1, 2, 3] && areas[2].map(\.y) == [4, 4])
        #expect(TextAreas(map, width: 10, height: 5, threshold: 0.5, dilates: true, limit: 10).outlines.count < 4)
    }

    @Test("have the smallest box, turned or not, also of one point and of points in a line")
    func boxes() throws {
        #expect(OrientedBox(around: []) == nil)
        let point = try #require(OrientedBox(around: [ImagePoint(x: 3, y: 4)]))
        #expect(point.center == ImagePoint(x: 3, y: 4) && point.area == 0)
        let line = try #require(OrientedBox(around: (0...5).map { ImagePoint(x: Double($0), y: Double($0)) }))
        #expect(abs(line.length - 50.0.squareRoot()) < 1e-9 && line.breadth < 1e-9)
        var random = SplitMix64(seed: 2)
        for _ in 0..<50 {
            let angle = Double(random.next() % 314) / 100
            let axis = ImagePoint(x: cos(angle), y: sin(angle))
            let whole = OrientedBox(center: ImagePoint(x: 50, y: 40), axis: axis, length: 60, breadth: 9)
            let inside = (0..<200).map { _ in
                let (u, v) = (Double(random.next() % 6001) / 100 - 30, Double(random.next() % 901) / 100 - 4.5)
                return ImagePoint(x: 50 + axis.x * u - axis.y * v, y: 40 + axis.y * u + axis.x * v)
            }
            let found = try #require(OrientedBox(around: inside + whole.corners))
            #expect(abs(found.area - 540) < 1e-6 && abs(found.shortSide - 9) < 1e-6)
            #expect(abs(found.center.x - 50) < 1e-9 && abs(found.center.y - 40) < 1e-9)
        }
    }

    @Test("give upright lines of the height asked for, whatever their turn")
    func crops() {
        // A ramp along x: red says where a pixel came from.
        let image = RGBImage(width: 200, height: 120, pixels: (0..<120).flatMap { y in (0..<200).flatMap { x in [UInt8(x), UInt8(y), 7] } })
        let corners = [(20.0, 30.0), (120.0, 30.0), (120.0, 54.0), (20.0, 54.0)].map { ImagePoint(x: $0.0, y: $0.1) }
        let line = image.textLine(in: TextRegion(corners: corners, confidence: 1), height: 48)
        #expect(line.width == 200 && line.height == 48)
        for (x, y) in [(0, 0), (100, 10), (199, 47)] {
            let pixel = Array(line.pixels[((y * 200 + x) * 3)..<((y * 200 + x) * 3 + 3)])
            #expect(abs(Double(pixel[0]) - (20 + (Double(x) + 0.5) / 2 - 0.5)) <= 1 && abs(Double(pixel[1]) - (30 + (Double(y) + 0.5) / 2 - 0.5)) <= 1)
            #expect(pixel[2] == 7)
        }
        // Downwards: the left end of the line is at the top.
        let tall = [(50.0, 10.0), (70.0, 10.0), (70.0, 110.0), (50.0, 110.0)].map { ImagePoint(x: $0.0, y: $0.1) }
        let turned = image.textLine(in: TextRegion(corners: tall, confidence: 1), height: 20)
        #expect(turned.width == 100 && turned.height == 20)
        #expect(turned.pixels[1] < 15 && turned.pixels[99 * 3 + 1] > 105 && abs(Int(turned.pixels[0]) - 69) <= 1)
        // Over the edge it goes on as the edge is.
        let outside = [(-10.0, -10.0), (9.0, -10.0), (9.0, 9.0), (-10.0, 9.0)].map { ImagePoint(x: $0.0, y: $0.1) }
        #expect(image.textLine(in: TextRegion(corners: outside, confidence: 1), height: 8).pixels[..<3] == [0, 0, 7])
    }

    @Test("begin at their text's upper left corner, and end where they began when they are turned twice")
    func turns() {
        let tall = TextRegion(corners: [(50.0, 10.0), (70.0, 10.0), (70.0, 40.0), (50.0, 40.0)].map { ImagePoint(x: $0.0, y: $0.1) }, confidence: 1)
        #expect(tall.isTall && tall.upright.corners == [1, 2, 3, 0].map { tall.corners[$0] } && !tall.upright.isTall)
        #expect(tall.turned.corners == [2, 3, 0, 1].map { tall.corners[$0] } && tall.turned.turned == tall)
        var square = tall
        square.corners[2].y = 39
        square.corners[3].y = 39
        #expect(!square.isTall && square.upright == square)
        let image = RGBImage(width: 2, height: 2, pixels: (0..<12).map { UInt8($0) })
        #expect(image.turnedOver().pixels == [9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2])
    }

    @Test("are put into rows as the page is held, whichever way it lies", arguments: 0..<4)
    func rows(quarters: Int) {
        // Two columns and two rows, of lines from left to right; then all of it turned to the right.
        let places = [(200.0, 40.0), (10.0, 12.0), (200.0, 10.0), (10.0, 41.0)]
        let polygons = places.map { x, y in
            [(x, y), (x + 90, y), (x + 90, y + 20), (x, y + 20)].map { point in
                (0..<quarters).reduce(ImagePoint(x: point.0, y: point.1)) { old, _ in ImagePoint(x: 500 - old.y, y: old.x) }
            }
        }
        #expect(ReadingOrder.rows(of: polygons) == [[1, 2], [3, 0]])
    }

    @Test("of photographed pages are mapped with their perspective")
    func perspective() {
        let corners = [(10.0, 20.0), (110.0, 10.0), (130.0, 70.0), (5.0, 60.0)].map { ImagePoint(x: $0.0, y: $0.1) }
        let map = PerspectiveMap(fromWidth: 80, height: 30, to: corners)
        for (place, corner) in zip([(0.0, 0.0), (80.0, 0.0), (80.0, 30.0), (0.0, 30.0)], corners) {
            let found = map(ImagePoint(x: place.0, y: place.1))
            #expect(abs(found.x - corner.x) < 1e-9 && abs(found.y - corner.y) < 1e-9)
        }
        // The diagonals meet where they meet.
        let middle = map(ImagePoint(x: 40, y: 15))
        let along = (corners[2] - corners[0]).cross(middle - corners[0])
        #expect(abs(along) < 1e-9)
    }
}
