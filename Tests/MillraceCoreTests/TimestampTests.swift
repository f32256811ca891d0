import Foundation
import MillraceCore
import MillraceTestSupport
import Testing

@Suite("A timestamp")
struct TimestampTests {
    @Test(
        "reads and writes RFC 3339 with milliseconds in UTC",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (1_795_257_349_120, "2026-11-21T10:35:49.120Z"),
            (1_767_225_640_221, "2026-01-01T00:00:40.221Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"), (-2_208_988_800_000, "1900-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func text(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test("survives its text form, every millisecond of it")
    func roundTrip() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<2000 {
            let time = Timestamp(milliseconds: Int64.random(in: 0..<4_000_000_000_000, using: &random))
            #expect(Timestamp(time.description) == time)
        }
    }

    @Test("agrees with Foundation's calendar on every day of two centuries")
    func calendar() {
        let style = Date.ISO8601FormatStyle()
        for day in stride(from: -36_500, to: 36_500, by: 7) as StrideTo<Int64> {
            let time = Timestamp(milliseconds: day * 86_400_000 + 3_723_000)
            let expected = Date(timeIntervalSince1970: Double(day * 86_400 + 3_723)).formatted(style)
            #expect(time.description.replacing(".000Z", with: "Z") == expected)
        }
    }

    @Test("reads offsets and whole seconds", arguments: ["2026-11-21T11:35:49+01:00", "2026-11-21T10:35:49Z", "2026-11-21T10:35:49.000Z"])
    func offsets(text: String) {
        #expect(Timestamp(text)?.milliseconds == 1_795_257_349_000)
    }

    @Test("is not read from anything else", arguments: ["", "yesterday", "2026-13-01T00:00:00Z", "1700000000", "2026-13-01T00:00:00.000Z", "2026-01-01T00:00:00.0é"])
    func nonsense(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("counts durations in whole milliseconds and exact seconds")
    func durations() {
        let start = Timestamp(milliseconds: 1000)
        #expect((start + .seconds(1.5)).milliseconds == 2500)
        #expect((start - .milliseconds(1)).milliseconds == 999)
        #expect(start.since(Timestamp(milliseconds: 4000)) == .seconds(-3))
        #expect(Duration.microseconds(1999).milliseconds == 1)
        #expect(Duration.milliseconds(1500).seconds == 1.5)
    }
}
