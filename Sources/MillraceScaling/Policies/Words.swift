/// Numbers and nouns of reasons.
enum Words {
    static func workers(_ count: Int) -> String { count == 1 ? "1 worker" : "\(count) workers" }
    static func jobs(_ count: Int) -> String { count == 1 ? "1 job" : "\(count) jobs" }
    static func waiting(_ count: Int) -> String { count == 0 ? "nothing waiting" : "\(jobs(count)) waiting" }

    /// Three digits at most, whole from a hundred on.
    static func number(_ value: Double) -> String {
        let digits: Double = abs(value) >= 100 ? 1 : abs(value) >= 10 ? 10 : 100
        let rounded = (value * digits).rounded() / digits
        return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
    }

    static func seconds(_ seconds: Double) -> String {
        if seconds >= 7200 { return "\(number(seconds / 3600)) h" }
        if seconds >= 120 { return "\(number(seconds / 60)) min" }
        return seconds < 1 ? "\(number(seconds * 1000)) ms" : "\(number(seconds)) s"
    }
}
