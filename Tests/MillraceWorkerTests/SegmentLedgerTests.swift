import MillraceCore
import Testing

@testable import MillraceWorker

struct SegmentLedgerTests {
    private static func segment(_ name: String, _ number: Int) -> SegmentLedger.Segment {
        let blob = BlobID("01890a5d-ac96-774b-bcce-" + String(0xb3_0209_9a8000 + number, radix: 16).suffix(12))!
        return .init(file: JobFile(name: name, blob: blob, mediaType: "text/csv", bytes: Int64(number), sha256: ""), path: "/\(name)/\(number)")
    }

    /// Appends cuts and merges whatever is due; a merged segment's number is that of its first part.
    private static func ledger(ofCuts count: Int) -> SegmentLedger {
        var ledger = SegmentLedger()
        for number in 0..<count {
            ledger.append([segment("a", number), segment("b", number)])
            while let due = ledger.due { ledger.merge(into: due[due.startIndex].segments) }
        }
        return ledger
    }

    @Test func `eight cuts of a level become one of the next, and none is lost or moved`() {
        #expect(Self.ledger(ofCuts: 7).cuts.map(\.level) == Array(repeating: 0, count: 7))
        #expect(Self.ledger(ofCuts: 8).cuts.map(\.level) == [1])
        #expect(Self.ledger(ofCuts: 66).cuts.map(\.level) == [2, 0, 0])
        let ledger = Self.ledger(ofCuts: 83)
        #expect(ledger.cuts.map(\.level) == [2, 1, 1, 0, 0, 0])
        #expect(ledger.segments(ofOutput: 1).map(\.path) == [0, 64, 72, 80, 81, 82].map { "/b/\($0)" })
    }

    @Test func `a day of cuts is a short list`() {
        #expect(Self.ledger(ofCuts: 24 * 3600 / 5).cuts.count <= 7 * 5)
    }

    @Test func `what a checkpoint says is read back, for the same model only`() throws {
        let ledger = Self.ledger(ofCuts: 10)
        let checkpoint = ledger.checkpoint(at: ["rows": 7], model: "m1")
        #expect(checkpoint.position["at"] == ["rows": 7])
        #expect(checkpoint.segments.map(\.name) == ["a", "b", "a", "b", "a", "b"])
        let segments = ledger.cuts.flatMap(\.segments)
        #expect(SegmentLedger(segments: segments, position: checkpoint.position, model: "m1") == ledger)
        #expect(SegmentLedger(segments: segments, position: checkpoint.position, model: "m2") == nil)
        #expect(SegmentLedger(segments: Array(segments.dropLast()), position: checkpoint.position, model: "m1") == nil)
        #expect(SegmentLedger(segments: [], position: ["epoch": 3], model: "m1") == nil)
    }
}
