import Foundation

/// A moment in wall-clock time: whole milliseconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Hashable, Sendable, Comparable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    public static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }
    public static func + (left: Self, right: Duration) -> Self { Self(milliseconds: left.milliseconds + right.milliseconds) }
    public static func - (left: Self, right: Duration) -> Self { Self(milliseconds: left.milliseconds - right.milliseconds) }

    /// The time from `earlier` to this moment; negative when `earlier` is later.
    public func since(_ earlier: Timestamp) -> Duration {
        .milliseconds(milliseconds - earlier.milliseconds)
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero.
    public var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// Seconds with their fraction.
    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}

/// On the wire and in every text a timestamp is RFC 3339 with milliseconds, in UTC: `2026-11-21T10:35:49.120Z`.
extension Timestamp: Codable, LosslessStringConvertible {
    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    private static let wholeSeconds = Date.ISO8601FormatStyle()

    /// Made from whole numbers: `Date` is a floating-point number, whose formatting would lose a millisecond now and then.
    public var description: String {
        let (days, millisecond) = milliseconds.quotientAndRemainder(flooring: 86_400_000)
        let (year, month, day) = Self.civil(days)
        let (second, fraction) = millisecond.quotientAndRemainder(dividingBy: 1000)
        guard (0...9999).contains(year) else { return "\(year)-" + Self.text(month, day, second, fraction).dropFirst(5) }
        return Self.text(year: year, month, day, second, fraction)
    }

    private static func text(year: Int64 = 0, _ month: Int64, _ day: Int64, _ second: Int64, _ fraction: Int64) -> String {
        String(unsafeUninitializedCapacity: 24) { buffer in
            func put(_ number: Int64, _ count: Int, at start: Int, then separator: Unicode.Scalar) {
                var rest = number
                for index in (start..<start + count).reversed() {
                    buffer[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                    rest /= 10
                }
                buffer[start + count] = UInt8(ascii: separator)
            }
            put(year, 4, at: 0, then: "-")
            put(month, 2, at: 5, then: "-")
            put(day, 2, at: 8, then: "T")
            put(second / 3600, 2, at: 11, then: ":")
            put(second / 60 % 60, 2, at: 14, then: ":")
            put(second % 60, 2, at: 17, then: ".")
            put(fraction, 3, at: 20, then: "Z")
            return 24
        }
    }

    /// The proleptic Gregorian date of a day counted from 1970-01-01.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).quotientAndRemainder(flooring: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    /// The days from 1970-01-01 to a date.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Reads RFC 3339; our own form is read without a formatter.
    public init?(_ text: String) {
        if let milliseconds = Self.milliseconds(ofOwnForm: text) {
            self.init(milliseconds: milliseconds)
            return
        }
        guard let date = (try? Self.style.parse(text)) ?? (try? Self.wholeSeconds.parse(text)) else { return nil }
        self.init(milliseconds: Int64((date.timeIntervalSince1970 * 1000).rounded()))
    }

    /// `2026-11-21T10:35:49.120Z`, and nothing that is not a date: that is left to whoever knows more forms.
    private static func milliseconds(ofOwnForm text: String) -> Int64? {
        var text = text
        return text.withUTF8 { bytes in
            let form: StaticString = "0000-00-00T00:00:00.000Z"
            guard bytes.count == form.utf8CodeUnitCount else { return nil }
            for index in 0..<bytes.count {
                let isDigit = bytes[index] >= UInt8(ascii: "0") && bytes[index] <= UInt8(ascii: "9")
                guard form.utf8Start[index] == UInt8(ascii: "0") ? isDigit : bytes[index] == form.utf8Start[index] else { return nil }
            }
            func number(_ range: Range<Int>) -> Int64 { bytes[range].reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) } }
            let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
            let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
            guard year > 0, (1...12).contains(month), (1...28).contains(day) || day > 28 && civil(days(year, month, day)) == (year, month, day),
                hour < 24, minute < 60, second < 60
            else { return nil }
            return ((days(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + number(20..<23)
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let time = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not an RFC 3339 time")
        }
        self = time
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Int64 {
    fileprivate func quotientAndRemainder(flooring divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
