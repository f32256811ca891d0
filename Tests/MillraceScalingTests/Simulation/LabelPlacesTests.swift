import Testing

@testable import MillraceScaling

@Suite("Labels of charts") struct LabelPlacesTests {
    @Test func `labels of points that lie close overlap neither each other nor a point, and stay in the frame`() {
        let frame = LabelPlaces.Box(left: 0, right: 700, top: 0, bottom: 300)
        let points = (0..<9).map { (x: 640 + Double($0), y: 150 + Double($0 % 3)) }
        var places = LabelPlaces(in: frame, points: points)
        let placed = points.compactMap { places.place("targetWait 10 s", at: $0) }
        #expect(placed.count >= 8 && placed.contains { $0.isFar } && placed.contains { !$0.isFar })
        for (index, one) in placed.enumerated() {
            #expect(one.x >= 0 && one.x + 15 * 6 <= 700)
            for other in placed[..<index] { #expect(abs(one.y - other.y) >= 12 || abs(one.x - other.x) >= 15 * 6) }
        }
    }

    @Test func `where there is no room there is no label`() {
        var places = LabelPlaces(in: .init(left: 0, right: 50, top: 0, bottom: 30), points: [(x: 20, y: 15)])
        #expect(places.place("a label that is far too long", at: (x: 20, y: 15)) == nil)
    }
}
