import ArgumentParser
import MillraceCore

/// `500ms`, `90s`, `10m`, `1.5h`, `7d`; a number alone is seconds.
struct DurationArgument: ExpressibleByArgument, Equatable {
    var duration: Duration

    var defaultValueDescription: String { "\(Quantities.number(duration.seconds))s" }

    init?(argument: String) {
        let units: [(String, Double)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("", 1000)]
        for (unit, milliseconds) in units where argument.hasSuffix(unit) {
            let digits = argument.dropLast(unit.count)
            guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let number = Double(digits) else { continue }
            guard number > 0, number * milliseconds < 1e13 else { return nil }
            duration = .milliseconds(max(1, Int64((number * milliseconds).rounded())))
            return
        }
        return nil
    }
}

/// A moment as RFC 3339 has it, or how long ago it was: `2026-11-21T10:35:49Z`, `2h`.
enum PastArgument: ExpressibleByArgument, Equatable {
    case at(Timestamp)
    case ago(Duration)

    init?(argument: String) {
        if let time = Timestamp(argument) {
            self = .at(time)
        } else if let ago = DurationArgument(argument: argument) {
            self = .ago(ago.duration)
        } else {
            return nil
        }
    }

    func time(at now: Timestamp) -> Timestamp {
        switch self {
        case .at(let time): time
        case .ago(let duration): now - duration
        }
    }
}

extension Timestamp: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
