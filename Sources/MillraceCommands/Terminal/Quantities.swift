import MillraceCore

/// Numbers as people read them.
enum Quantities {
    /// `950 B`, `1.2 MB`: powers of 1000.
    static func bytes(_ count: Int64) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var value = Double(count)
        var unit = 0
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(number(value, digits: value < 9.95 ? 1 : 0)) \(units[unit])"
    }

    /// `0.4 s`, `42 s`, `3:07`, `1:02:03`.
    static func duration(_ duration: Duration) -> String {
        let seconds = max(duration.seconds, 0)
        if seconds < 9.95 { return "\(number(seconds, digits: 1)) s" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
    }

    /// `12 s ago`, `5 min ago`, `3 h ago`, `4 d ago`.
    static func age(_ duration: Duration) -> String {
        let seconds = max(0, Int(duration.seconds))
        return switch seconds {
        case ..<60: "\(seconds) s ago"
        case ..<3600: "\(seconds / 60) min ago"
        case ..<86_400: "\(seconds / 3600) h ago"
        default: "\(seconds / 86_400) d ago"
        }
    }

    /// Whole numbers without a fraction, others with at most so many digits.
    static func number(_ value: Double, digits: Int = 3) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * scale).rounded()
        if scaled.truncatingRemainder(dividingBy: scale) == 0 { return "\(Int(scaled / scale))" }
        let sign = scaled < 0 ? "-" : ""
        let magnitude = Int(abs(scaled))
        var fraction = String(magnitude % Int(scale))
        fraction = String(repeating: "0", count: digits - fraction.count) + fraction
        while fraction.last == "0" { fraction.removeLast() }
        return "\(sign)\(magnitude / Int(scale)).\(fraction)"
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
