/// Writes metrics in Prometheus' text format, version 0.0.4.
struct PrometheusText: CustomStringConvertible {
    enum Kind: String { case counter, gauge, histogram }
    private(set) var description = ""

    mutating func add(_ name: String, _ kind: Kind, help: String? = nil, _ samples: [(labels: [String: String], value: Double)]) {
        begin(name, kind, help: help)
        for sample in samples.sorted(by: { Self.labels($0.labels) < Self.labels($1.labels) }) { line(name, sample.labels, sample.value) }
    }

    mutating func begin(_ name: String, _ kind: Kind, help: String? = nil) {
        if let help { description += "# HELP \(name) \(help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n"))\n" }
        description += "# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func line(_ name: String, _ labels: [String: String], _ value: Double) {
        description += "\(name)\(Self.labels(labels)) \(Self.number(value))\n"
    }

    static func labels(_ labels: [String: String]) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    /// Read scalar by scalar: a combining mark behind a quote, or a carriage return before a line feed, would make another character of it.
    private static func escaped(_ value: String) -> String {
        value.unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case "\\", "\"": text.unicodeScalars += ["\\", scalar]
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    /// A name as the format allows it: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    static func name(_ text: String) -> String {
        let mapped = String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : "_" })
        return mapped.first.map { $0.isNumber } ?? true ? "_\(mapped)" : mapped
    }
}
