import MillraceCore

/// Durations and sizes as people write them.
public enum Quantity {
    private static let durationUnits: [(String, Duration)] = [
        ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)), ("d", .seconds(86_400)),
    ]
    private static let byteUnits: [(String, Double)] = [
        ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1),
    ]

    /// `250ms`, `1.5s`, `20m`, `2h`, `7d`; a unit is required, since seconds and milliseconds are easily confused.
    static func duration(_ text: String) -> Duration? {
        for (unit, length) in durationUnits where text.hasSuffix(unit) {
            guard let number = number(text.dropLast(unit.count)) else { continue }
            // By way of whole milliseconds: `Duration * Double` is off by some attoseconds.
            let milliseconds = (Double(length.milliseconds) * number).rounded()
            // Up to there a Double counts them one by one; 285,000 years are enough.
            guard milliseconds < 9e15 else { return nil }
            return .milliseconds(Int64(milliseconds))
        }
        return nil
    }

    /// `500kB`, `50MB`, `2GiB`, or bytes without a unit.
    public static func bytes(_ text: String) -> Int64? {
        for (unit, factor) in byteUnits where text.hasSuffix(unit) {
            guard let number = number(text.dropLast(unit.count)), number * factor < 9e18 else { return nil }
            return Int64(number * factor)
        }
        return Int64(text).flatMap { $0 >= 0 ? $0 : nil }
    }

    /// `100/s`, `600/m`, `5000/h`, `100000/d`.
    static func rate(_ text: String) -> RateLimit? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { $0.trimmingPrefix(" ") }
        let lengths: [Substring: Duration] = ["s": .seconds(1), "m": .seconds(60), "h": .seconds(3600), "d": .seconds(86_400)]
        guard parts.count == 2, let per = lengths[parts[1]], let jobs = Int(parts[0].last == " " ? parts[0].dropLast() : parts[0]),
            (1...1_000_000).contains(jobs)
        else { return nil }
        return RateLimit(jobs: jobs, per: per)
    }

    static func shown(_ rate: RateLimit) -> String {
        let units: [(String, Duration)] = [("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)), ("d", .seconds(86_400))]
        return "\(rate.jobs)/\(units.first { $0.1 == rate.per }?.0 ?? shown(rate.per))"
    }

    static func shown(_ duration: Duration) -> String {
        let milliseconds = duration.milliseconds
        for (unit, length) in durationUnits.reversed() where milliseconds >= length.milliseconds && milliseconds % length.milliseconds == 0 {
            return "\(milliseconds / length.milliseconds)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    private static func number(_ text: Substring) -> Double? {
        let digits = text.last == " " ? text.dropLast() : text
        guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }) else { return nil }
        return Double(digits)
    }
}
